//! The domain: subscribers, addresses and their classes, enrichment jobs, credits, and the ICP score. No I/O.
//!
//! Everything here is a plain value or a pure function: nothing reads a clock, a file or the network, so that each
//! rule can be tested on its own and is the same for an import, a webhook and a stored lead.
//!
//! - [`email`]: an address, cleaned; the key that says which addresses are one person's; its class;
//! - [`subscriber`]: who signed up;
//! - [`job`]: the life of one lookup;
//! - [`credits`]: what lookups cost at most, in credits, money and hours;
//! - [`person`]: what a lookup found, in neutral words;
//! - [`icp`]: how well that person fits the ideal customer profile, and why.
//!
//! # From an address to a scored lead
//!
//! ```
//! use lumina_enrichment::email::{AddressClass, Classifier, EmailAddress};
//! use lumina_enrichment::icp::{IcpProfile, is_hidden_gem, score};
//! use lumina_enrichment::job::{JobEvent, JobStatus};
//! use lumina_enrichment::person::{Company, Employment, Person};
//!
//! let email = EmailAddress::parse("\u{feff}Sarah Dev <sarah.dev+news@gmail.com>,")?;
//! assert_eq!(email.as_str(), "sarah.dev+news@gmail.com");
//! assert_eq!(email.dedupe_key().as_str(), "sarahdev@gmail.com");
//!
//! let class = Classifier::new().classify(&email);
//! assert_eq!(class, AddressClass::Personal);
//!
//! let status = JobStatus::Pending.apply(JobEvent::Submitted)?.apply(JobEvent::Found)?;
//! let sarah = Person {
//!     employment: Some(Employment {
//!         title: Some("VP Engineering".to_owned()),
//!         company: Some(Company {
//!             headcount: Some(120),
//!             industry: Some("Software Development".to_owned()),
//!             ..Company::default()
//!         }),
//!         ..Employment::default()
//!     }),
//!     ..Person::default()
//! };
//! let fit = score(&IcpProfile::default(), &sarah);
//! assert_eq!(fit.total, 97);
//! assert_eq!(fit.reasons[0].to_string(), "Headcount 120: 100 of 100, weight 40 %");
//! assert!(is_hidden_gem(class, status, fit.total));
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! ```

pub mod credits;
pub mod email;
pub mod icp;
pub mod job;
pub mod person;
pub mod subscriber;
