//! `GET /api/leads`.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::{NOW, TestApp, get, person};

async fn leads(test: &TestApp, query: &str) -> Value {
    test.send(get(&format!("/api/leads{query}")).authorized()).await.ok()
}

/// Five people of four scores, and two who are not found.
async fn with_people() -> TestApp {
    let mut test = TestApp::new().await;
    let mut vera = person("Vera", "VP Engineering");
    vera["employment"]["current"]["seniority"] = json!("VP");
    let people = BTreeMap::from([
        ("vp@gmail.com", Some(vera)),
        ("founder@gmail.com", Some(person("Fred", "Founder"))),
        ("clerk1@gmail.com", Some(person("Carl", "Clerk"))),
        ("clerk2@gmail.com", Some(person("Cora", "Clerk"))),
        ("blank@gmail.com", Some(json!({"full_name": "Bea"}))),
        ("nobody@gmail.com", None),
        ("empty@gmail.com", Some(json!({}))),
    ]);
    test.find_people(&people).await;
    test
}

#[tokio::test]
async fn nobody_found_is_an_empty_list() {
    let test = TestApp::new().await;
    assert_eq!(leads(&test, "").await, json!({"leads": [], "nextCursor": null}));
}

#[tokio::test]
async fn a_lead_is_told_in_full() {
    let test = with_people().await;
    let mut answer = leads(&test, "?minScore=97&limit=2").await;
    assert!(uuid::Uuid::try_parse(answer["leads"][1]["id"].as_str().unwrap()).is_ok());
    answer["leads"][1]["id"] = json!("(the subscriber's id)");
    assert_eq!(
        answer["leads"][1],
        json!({
            "id": "(the subscriber's id)",
            "email": "vp@gmail.com",
            "fullName": "Vera",
            "title": "VP Engineering",
            "seniority": "VP",
            "company": {
                "name": "Acme", "domain": "acme.example", "headcount": 120, "headcountRange": "51-200",
                "industry": "Software Development",
            },
            "linkedinUrl": "https://www.linkedin.com/in/somebody",
            "icpScore": 97,
            "icpReasons": [
                "Headcount 120: 100 of 100, weight 40 %",
                "Industry Software Development: 100 of 100, weight 30 %",
                "Seniority VP: 90 of 100, weight 30 %",
            ],
            "hiddenGem": true,
            "source": "people.csv",
            "enrichedAt": NOW,
        })
    );
}

#[tokio::test]
async fn the_best_come_first_and_none_below_the_least() {
    let test = with_people().await;
    let rows: [(&str, &[i64]); 6] = [
        ("", &[100, 97, 73, 73, 0]),
        ("?minScore=0", &[100, 97, 73, 73, 0]),
        ("?minScore=73", &[100, 97, 73, 73]),
        ("?minScore=74", &[100, 97]),
        ("?minScore=100", &[100]),
        ("?minScore=73&limit=3", &[100, 97, 73]),
    ];
    for (query, expected) in rows {
        let answer = leads(&test, query).await;
        let scores: Vec<i64> = answer["leads"]
            .as_array()
            .unwrap()
            .iter()
            .map(|lead| lead["icpScore"].as_i64().unwrap())
            .collect();
        assert_eq!(scores, expected, "{query}");
    }
}

/// Whatever the page's size, also where two have the same score.
#[tokio::test]
async fn pages_hold_everybody_once() {
    let test = with_people().await;
    let all = leads(&test, "").await["leads"].as_array().unwrap().clone();
    assert_eq!(all.len(), 5);
    for limit in 1..=6 {
        let (mut seen, mut query, mut pages) = (Vec::new(), format!("?limit={limit}"), 0);
        loop {
            let answer = leads(&test, &query).await;
            seen.extend(answer["leads"].as_array().unwrap().iter().cloned());
            pages += 1;
            let Some(cursor) = answer["nextCursor"].as_str() else {
                break;
            };
            query = format!("?limit={limit}&cursor={cursor}");
        }
        assert_eq!(seen, all, "{limit}");
        assert_eq!(
            pages,
            5_usize.div_ceil(limit),
            "the last page of {limit} says that it is"
        );
    }
}

#[tokio::test]
async fn malformed_queries_name_the_parameter() {
    let test = TestApp::new().await;
    let rows = [
        ("?minScore=-1", "minScore: it must be a whole number from 0 to 100"),
        ("?minScore=101", "minScore: it must be a whole number from 0 to 100"),
        ("?minScore=high", "minScore: it must be a whole number"),
        ("?minScore=", "minScore: it must be a whole number"),
        ("?limit=0", "limit: it must be a whole number from 1 to 500"),
        ("?limit=501", "limit: it must be a whole number from 1 to 500"),
        ("?limit=99999999999999999999", "limit: it must be a whole number"),
        ("?limit=5&limit=6", "limit: it is given twice"),
        ("?cursor=", "cursor: it is none"),
        ("?cursor=w01986400000070008000000000000000", "cursor: it is none"),
        (
            "?minscore=70",
            "minscore: there is no such parameter here; there are minScore, limit, cursor",
        ),
    ];
    for (query, message) in rows {
        let answer = test.send(get(&format!("/api/leads{query}")).authorized()).await;
        answer.assert_refused(400, "INVALID_QUERY", message);
    }
    assert_eq!(leads(&test, "?limit=500&minScore=100").await["leads"], json!([]));
}
