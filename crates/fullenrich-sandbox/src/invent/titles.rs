//! Job titles by seniority, in the provider's words for it. Some titles are traps for those who read them hastily.

/// Title, job function, sub-function.
pub(super) type Title = (&'static str, &'static str, &'static str);

/// Seniorities by weight, each with its titles.
pub(super) const SENIORITIES: &[(u64, (&str, &[Title]))] = &[
    (6, ("Owner", OWNER)),
    (9, ("Founder", FOUNDER)),
    (13, ("C-level", C_LEVEL)),
    (4, ("Partner", PARTNER)),
    (11, ("VP", VP)),
    (8, ("Head", HEAD)),
    (12, ("Director", DIRECTOR)),
    (14, ("Manager", MANAGER)),
    (12, ("Senior", SENIOR)),
    (11, ("Entry", ENTRY)),
];

const OWNER: &[Title] = &[
    ("Owner", "Executive", "Business Ownership"),
    ("Owner & Managing Director", "Executive", "General Management"),
    ("Inhaberin", "Executive", "Business Ownership"),
];

const FOUNDER: &[Title] = &[
    ("Founder", "Executive", "Founding"),
    ("Co-Founder", "Executive", "Founding"),
    ("Co-Founder & VP", "Executive", "Founding"),
    ("Founder and CEO", "Executive", "General Management"),
    ("Founding Partner", "Executive", "Founding"),
];

const C_LEVEL: &[Title] = &[
    ("CEO", "Executive", "General Management"),
    ("Chief Technology Officer", "Engineering", "Engineering Leadership"),
    ("CTO", "Engineering", "Engineering Leadership"),
    ("Chief Marketing Officer", "Marketing", "Marketing Leadership"),
    ("CFO", "Finance", "Finance Leadership"),
    ("Chief Product Officer", "Product", "Product Leadership"),
    ("President", "Executive", "General Management"),
    ("Geschäftsführer", "Executive", "General Management"),
];

const PARTNER: &[Title] = &[
    ("Partner", "Finance", "Investment"),
    ("General Partner", "Finance", "Investment"),
    ("Managing Partner", "Consulting", "Practice Leadership"),
];

const VP: &[Title] = &[
    ("VP Engineering", "Engineering", "Engineering Leadership"),
    ("Vice President of Sales", "Sales", "Sales Leadership"),
    ("V.P. Product", "Product", "Product Leadership"),
    ("SVP Growth", "Marketing", "Growth"),
];

const HEAD: &[Title] = &[
    ("Head of Growth", "Marketing", "Growth"),
    ("Head of Data", "Engineering", "Data"),
    ("Head of People", "Human Resources", "People Operations"),
    ("Global Head of Partnerships", "Sales", "Partnerships"),
];

const DIRECTOR: &[Title] = &[
    ("Director of Engineering", "Engineering", "Engineering Leadership"),
    ("Creative Director", "Design", "Creative"),
    ("Director, Demand Generation", "Marketing", "Demand Generation"),
    ("Directeur Commercial", "Sales", "Sales Leadership"),
];

const MANAGER: &[Title] = &[
    ("Engineering Manager", "Engineering", "Software Development"),
    ("Account Manager", "Sales", "Account Management"),
    ("Marketing Mgr", "Marketing", "Brand"),
    ("Product Manager", "Product", "Product Management"),
    ("Chief of Staff", "Operations", "Business Operations"),
];

const SENIOR: &[Title] = &[
    ("Senior Software Engineer", "Engineering", "Software Development"),
    ("Lead Designer", "Design", "User Experience"),
    ("Product Owner", "Product", "Product Management"),
    ("Senior Data Scientist", "Engineering", "Data"),
];

const ENTRY: &[Title] = &[
    ("Executive Assistant to the CEO", "Administration", "Executive Support"),
    ("Technical Writer", "Engineering", "Documentation"),
    ("Headhunter", "Human Resources", "Recruiting"),
    ("Analyst, Office of the CTO", "Engineering", "Data"),
    ("Sales Development Representative", "Sales", "Business Development"),
    ("Former CEO, now gardening", "Other", "Other"),
];
