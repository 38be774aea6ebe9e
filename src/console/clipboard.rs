//! STAND-IN
use crate::base::Error;
use crate::console::term_env::TermEnv;
pub(crate) struct Copied {
    pub(crate) sequence: String,
    pub(crate) route: &'static str,
}
pub(crate) fn osc52(_text: &str, _env: &TermEnv) -> Result<Copied, Error> {
    Ok(Copied {
        sequence: String::new(),
        route: "x",
    })
}
