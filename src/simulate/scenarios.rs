//! The scenarios that come with the program; their files are in `tests/scenarios/`.

macro_rules! scenarios {
    ($($name:literal),* $(,)?) => {
        &[$(($name, include_str!(concat!("../../tests/scenarios/", $name, ".toml")))),*]
    };
}

const ALL: &[(&str, &str)] = scenarios![
    "het8",
    "het4",
    "hom8",
    "quota8",
    "healthy",
    "slow1",
    "sick",
    "half_open",
    "outage",
    "rl429",
    "rl429_known",
];

/// Returns the names of the scenarios that come with the program.
pub fn names() -> Vec<&'static str> {
    ALL.iter().map(|(name, _)| *name).collect()
}

/// Returns the text of one.
pub(super) fn text(name: &str) -> Option<&'static str> {
    ALL.iter()
        .find(|(known, _)| *known == name)
        .map(|(_, text)| *text)
}
