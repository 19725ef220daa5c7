//! Answers in a table.

use super::super::Global;
use super::super::output::{
    DATE_WIDTH, break_at_blanks, keep_whole, moment, print_json, print_line, print_next, table,
};
use crate::app::App;
use crate::records::{AnswerState, ListedAnswer};

pub(super) async fn list(global: &Global, app: &App, unclaimed: bool, limit: usize) -> anyhow::Result<()> {
    let answers = app.records.answers(unclaimed, limit).await?;
    if global.json {
        return print_json(&answers);
    }
    let Some(first) = answers.first() else {
        return print_line(match unclaimed {
            true => "No answers that nobody claims.",
            false => "No answers.",
        });
    };
    print_line(&render(&answers))?;
    let shown = format!("lumina answers show {}", first.id.0);
    print_next(&[(&shown, "who is in it, and what it cost")])?;
    match answers.iter().find(|answer| answer.state == AnswerState::Unclaimed) {
        Some(answer) => print_next(&[(
            &format!("lumina answers replay {}", answer.id.0),
            "routes one that nobody claims anew",
        )]),
        None => Ok(()),
    }
}

fn render(answers: &[ListedAnswer]) -> String {
    let mut table = table(&["id", "received (UTC)", "source", "state", "status"]);
    for answer in answers {
        table.add_row([
            answer.id.0.to_string(),
            moment(answer.received_at),
            answer.source.as_str().to_owned(),
            answer.state.as_str().to_owned(),
            status(answer),
        ]);
    }
    keep_whole(&mut table, &[0, 2, 3]);
    break_at_blanks(&mut table, 1, DATE_WIDTH);
    table.to_string()
}

/// The provider's word for how far the batch was, for people.
pub(super) fn status(answer: &ListedAnswer) -> String {
    let word = answer.status.as_deref().unwrap_or("none");
    word.to_lowercase().replace('_', " ")
}
