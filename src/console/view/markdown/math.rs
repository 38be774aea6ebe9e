//! Formulas: TeX as a model writes it, said in Unicode; what cannot be said so stays the source it is.
//!
//! ```text
//! \frac{a+b}{2} \le \sqrt{x^2}    (a+b)/2 ≤ √(x²)
//! ```

use std::borrow::Cow;

use super::math_symbols::{ACCENTS, FUNCTIONS, LETTERS, SUBSCRIPTS, SUPERSCRIPTS, SYMBOLS};

/// A longer formula stays source, in bytes.
const LONGEST: usize = 2_000;
/// How deep braces may go.
const DEEPEST: usize = 16;

/// Says a formula in Unicode; `None` when something in it has no such form. Rows are separated by newlines.
pub(super) fn unicode(tex: &str) -> Option<String> {
    if tex.len() > LONGEST {
        return None;
    }
    let mut reader = Reader { rest: tex.trim() };
    let said = reader.group(0, None)?;
    let rows = said.lines().map(|row| {
        let words: Vec<&str> = row.split_whitespace().collect();
        words.join(" ")
    });
    let rows: Vec<String> = rows.filter(|row| !row.is_empty()).collect();
    (!rows.is_empty()).then(|| rows.join("\n"))
}

/// Tells whether what stands between two dollar signs is meant as a formula, and not as two prices.
pub(super) fn is_formula(tex: &str) -> bool {
    let has_mark = tex.contains(['\\', '^', '_', '=', '{', '<', '>', '+']);
    let mut chars = tex.chars();
    let is_letter = chars.next().is_some_and(char::is_alphabetic) && chars.next().is_none();
    has_mark || is_letter
}

/// Writes `\(..\)` and `\[..\]` with dollar signs, as the parser knows them, and footnotes `[^1]` as raised figures;
/// code stays as it is.
pub(super) fn delimited(text: &str) -> Cow<'_, str> {
    if !["\\(", "\\[", "[^"].iter().any(|mark| text.contains(mark)) {
        return Cow::Borrowed(text);
    }
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = rest.find(['`', '\\', '[']) {
        out.push_str(&rest[..at]);
        rest = &rest[at..];
        let taken = code_span(rest)
            .map(|span| (span.to_owned(), span.len()))
            .or_else(|| between(rest, ("\\(", "\\)"), "$"))
            .or_else(|| between(rest, ("\\[", "\\]"), "$$"))
            .or_else(|| footnote(rest));
        let (said, length) = taken.unwrap_or_else(|| {
            // An escape keeps what it escapes.
            let length = rest.chars().take(1 + usize::from(rest.starts_with('\\')));
            let length = length.map(char::len_utf8).sum();
            (rest[..length].to_owned(), length)
        });
        out.push_str(&said);
        rest = &rest[length..];
    }
    out.push_str(rest);
    Cow::Owned(out)
}

/// Returns the code at the start of a text, its marks included.
fn code_span(text: &str) -> Option<&str> {
    let ticks = text.bytes().take_while(|byte| *byte == b'`').count();
    if ticks == 0 {
        return None;
    }
    let mark = &text[..ticks];
    let end = text[ticks..].find(mark)?;
    text.get(..ticks + end + ticks)
}

fn between(text: &str, (open, close): (&str, &str), mark: &str) -> Option<(String, usize)> {
    let inside = text.strip_prefix(open)?;
    let end = inside.find(close).filter(|end| *end <= LONGEST)?;
    let formula = inside[..end].trim();
    let is_whole = !formula.is_empty() && !formula.contains("\n\n") && !formula.contains('$');
    is_whole.then(|| {
        (
            format!("{mark}{formula}{mark}"),
            open.len() + end + close.len(),
        )
    })
}

fn footnote(text: &str) -> Option<(String, usize)> {
    let inside = text.strip_prefix("[^")?;
    let end = inside.find(']').filter(|end| (1..=3).contains(end))?;
    let number = &inside[..end];
    if !number.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let raised: String = number
        .chars()
        .filter_map(|c| mapped(SUPERSCRIPTS, c))
        .collect();
    let is_definition = inside[end + 1..].starts_with(':');
    let length = "[^".len() + end + 1 + usize::from(is_definition);
    Some((raised, length))
}

fn mapped(table: &[(char, char)], wanted: char) -> Option<char> {
    let found = table.iter().find(|(from, _)| *from == wanted);
    found.map(|(_, to)| *to)
}

fn named(table: &[(&str, &'static str)], wanted: &str) -> Option<&'static str> {
    let found = table.iter().find(|(name, _)| *name == wanted);
    found.map(|(_, said)| *said)
}

struct Reader<'a> {
    rest: &'a str,
}

impl Reader<'_> {
    fn next(&mut self) -> Option<char> {
        let c = self.rest.chars().next()?;
        self.rest = &self.rest[c.len_utf8()..];
        Some(c)
    }

    /// Reads up to a closing mark, or to the end.
    fn group(&mut self, depth: usize, close: Option<char>) -> Option<String> {
        if depth > DEEPEST {
            return None;
        }
        let mut out = String::new();
        loop {
            match self.next() {
                None => return close.is_none().then_some(out),
                Some(c) if Some(c) == close => return Some(out),
                Some('}') => return None,
                Some('{') => out.push_str(&self.group(depth + 1, Some('}'))?),
                Some('^') => {
                    let raised = self.argument(depth)?;
                    out.push_str(&shifted(&raised, SUPERSCRIPTS, '^'));
                }
                Some('_') => {
                    let lowered = self.argument(depth)?;
                    out.push_str(&shifted(&lowered, SUBSCRIPTS, '_'));
                }
                Some('\\') => {
                    let said = self.command(depth)?;
                    out.push_str(&said);
                }
                Some('&' | '~' | '\n' | '\t') => out.push(' '),
                Some('-') => out.push('−'),
                Some('\'') => out.push('′'),
                Some(c) => out.push(c),
            }
        }
    }

    /// Reads what belongs to a command: a group in braces, another command, or one character.
    fn argument(&mut self, depth: usize) -> Option<String> {
        self.rest = self.rest.trim_start();
        match self.next()? {
            '{' => self.group(depth + 1, Some('}')),
            '\\' => self.command(depth + 1),
            '}' => None,
            c => Some(c.to_string()),
        }
    }

    fn name(&mut self) -> String {
        let length = self
            .rest
            .bytes()
            .take_while(u8::is_ascii_alphabetic)
            .count();
        let (name, rest) = self.rest.split_at(length);
        self.rest = rest;
        name.to_owned()
    }

    fn command(&mut self, depth: usize) -> Option<String> {
        if depth > DEEPEST {
            return None;
        }
        let name = self.name();
        if name.is_empty() {
            return Some(match self.next()? {
                '\\' => "\n".to_owned(),
                '!' => String::new(),
                ',' | ';' | ':' | ' ' => " ".to_owned(),
                '|' => "‖".to_owned(),
                c @ ('{' | '}' | '%' | '$' | '#' | '&' | '_') => c.to_string(),
                _ => return None,
            });
        }
        if let Some(symbol) = named(SYMBOLS, &name) {
            return Some(symbol.to_owned());
        }
        if FUNCTIONS.contains(&name.as_str()) {
            let is_followed = self
                .rest
                .trim_start()
                .starts_with(|c: char| c.is_alphanumeric());
            let blank = if is_followed { " " } else { "" };
            self.rest = self.rest.trim_start();
            return Some(format!("{name}{blank}"));
        }
        if let Some(mark) = named(ACCENTS, &name) {
            let inside = self.argument(depth)?;
            let is_one = inside.chars().count() == 1;
            return is_one.then(|| format!("{inside}{mark}"));
        }
        match name.as_str() {
            "frac" | "dfrac" | "tfrac" => {
                let (above, below) = (self.argument(depth)?, self.argument(depth)?);
                Some(format!("{}/{}", in_brackets(&above), in_brackets(&below)))
            }
            "binom" => {
                let (above, below) = (self.argument(depth)?, self.argument(depth)?);
                Some(format!("C({above}, {below})"))
            }
            "sqrt" => self.root(depth),
            "text" | "mathrm" | "mathbf" | "mathit" | "mathsf" | "mathtt" | "operatorname"
            | "boldsymbol" | "textbf" | "textit" | "boxed" | "displaystyle" | "textstyle" => {
                let is_switch = name.ends_with("style");
                if is_switch {
                    Some(String::new())
                } else {
                    self.argument(depth)
                }
            }
            "mathbb" | "mathcal" => {
                let inside = self.argument(depth)?;
                let mut chars = inside.chars();
                let letter = chars.next().filter(|_| chars.next().is_none())?;
                mapped(LETTERS, letter)
                    .filter(|_| name == "mathbb")
                    .or(Some(letter))
                    .map(String::from)
            }
            "left" | "right" | "big" | "Big" | "bigg" | "Bigg" | "bigl" | "bigr" | "Bigl"
            | "Bigr" => {
                if let Some(rest) = self.rest.strip_prefix('.') {
                    self.rest = rest;
                }
                Some(String::new())
            }
            "begin" | "end" => {
                let environment = self.argument(depth)?;
                let is_known = matches!(
                    environment.trim_end_matches('*'),
                    "aligned" | "align" | "equation" | "gather" | "gathered" | "split"
                );
                is_known.then(String::new)
            }
            _ => None,
        }
    }

    fn root(&mut self, depth: usize) -> Option<String> {
        let mut index = String::new();
        if let Some(rest) = self.rest.strip_prefix('[') {
            self.rest = rest;
            index = self.group(depth + 1, Some(']'))?;
        }
        let inside = self.argument(depth)?;
        let sign = match index.as_str() {
            "" | "2" => "√".to_owned(),
            index => format!("{}√", shifted(index, SUPERSCRIPTS, '^')),
        };
        Some(format!("{sign}{}", in_brackets(&inside)))
    }
}

/// Raises or lowers what has such forms; the rest keeps its mark.
fn shifted(text: &str, table: &[(char, char)], mark: char) -> String {
    let forms: Option<String> = text.chars().map(|c| mapped(table, c)).collect();
    match forms {
        Some(forms) => forms,
        None if text.chars().count() == 1 => format!("{mark}{text}"),
        None => format!("{mark}({text})"),
    }
}

/// Puts what is more than one letter or number into brackets.
fn in_brackets(text: &str) -> String {
    let text = text.trim();
    let is_one = text.chars().all(char::is_alphanumeric) || text.chars().count() == 1;
    if is_one {
        text.to_owned()
    } else {
        format!("({text})")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_models_write_can_be_read() {
        for (tex, said) in [
            ("x^2 + y^2 = z^2", "x² + y² = z²"),
            (r"\frac{a+b}{2} \le \sqrt{x}", "(a+b)/2 ≤ √x"),
            (
                r"\sum_{i=1}^{n} i = \frac{n(n+1)}{2}",
                "∑ᵢ₌₁ⁿ i = (n(n+1))/2",
            ),
            (r"e^{i\pi} + 1 = 0", "e^(iπ) + 1 = 0"),
            (r"\alpha \to \infty, \Delta x", "α → ∞, Δ x"),
            (r"O(n \log n)", "O(n log n)"),
            (r"\hat{y} = \sigma(w^T x)", "y\u{302} = σ(wᵀ x)"),
            (r"\mathbb{R}^n, \sqrt[3]{8}", "ℝⁿ, ³√8"),
            (r"P(A \mid B) = \text{prior}", "P(A | B) = prior"),
            (
                r"\begin{aligned} a &= b \\ c &= d \end{aligned}",
                "a = b\nc = d",
            ),
            (r"\left( x \right)", "( x )"),
            (r"\int_0^1 f\,dx", "∫₀¹ f dx"),
        ] {
            assert_eq!(unicode(tex).as_deref(), Some(said), "{tex}");
        }
    }

    #[test]
    fn what_has_no_such_form_stays_source() {
        for tex in [
            r"\begin{pmatrix} a \end{pmatrix}",
            r"\unknown{x}",
            "{x",
            "x}",
            "",
            r"\",
        ] {
            assert_eq!(unicode(tex), None, "{tex}");
        }
        assert_eq!(unicode(&"{".repeat(50)), None);
        assert_eq!(unicode(&"x".repeat(LONGEST + 1)), None);
    }

    #[test]
    fn two_prices_are_no_formula() {
        assert!(!is_formula("5 and "));
        assert!(!is_formula("10/"));
        assert!(is_formula("x") && is_formula("a_1") && is_formula("n=3"));
    }

    #[test]
    fn brackets_of_tex_become_dollars_but_not_in_code() {
        assert_eq!(delimited(r"so \(x^2\) is"), "so $x^2$ is");
        assert_eq!(delimited("\\[\nx = 1\n\\]"), "$$x = 1$$");
        assert_eq!(delimited(r"`\(x\)` and \(y"), r"`\(x\)` and \(y");
        assert_eq!(delimited(r"\\(x\\)"), r"\\(x\\)");
        assert_eq!(delimited("a[^1] b[^12] c[^x]"), "a¹ b¹² c[^x]");
        assert_eq!(delimited("[^1]: the source"), "¹ the source");
        assert_eq!(delimited("plain [text](x)"), "plain [text](x)");
    }

    #[test]
    fn nothing_makes_it_fail() {
        for text in [
            "\\", "\\(", "[^", "[^]", "`", "``x`", "\\é", "\\[é", "^", "_", "x^", "\\frac",
        ] {
            let _ = (delimited(text), unicode(text));
        }
    }
}
