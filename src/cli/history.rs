//! `llmdeck history`: what was kept, listed, searched, shown, taken away, brought back, deleted.

mod show;

use std::io::{self, IsTerminal, Read, Write};
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Subcommand};
use jiff::Timestamp;
use jiff::tz::TimeZone;

use super::keep::{dice, folder};
use super::report::Failure;
use super::style::Style;
use super::table::{fit, lay_out, terminal_columns};
use crate::base::{Conversation, ConversationId, Error, ErrorKind, Summary, clean_line};
use crate::config::{Config, Env};
use crate::store::{Format, History, SearchLimit, export_into, import};

/// How long a search may look.
const PATIENCE: Duration = Duration::from_secs(30);
/// The most that is read from a file to import, in bytes.
const LARGEST: u64 = 1 << 30;

/// What to do with what was kept.
#[derive(Clone, Debug, Subcommand)]
pub enum HistoryCommand {
    /// List conversations, the pinned first, the newest first
    List(ListArgs),
    /// Search all that was said, in any language: all words must stand in one message, "in quotes" together
    Search(SearchArgs),
    /// Show a conversation; the first letters of its id are enough
    Show(ShowArgs),
    /// Write conversations to a file or to stdout: all, or those that are named
    Export(ExportArgs),
    /// Read conversations from a file that was exported, or from OpenAI's JSONL
    Import(ImportArgs),
    /// Delete conversations for good
    Delete(DeleteArgs),
    /// Show what there is in all
    Stats {
        /// Print JSON
        #[arg(long)]
        json: bool,
    },
}

/// What to list.
#[derive(Clone, Debug, Args)]
pub struct ListArgs {
    /// List so many
    #[arg(long, short = 'n', default_value_t = 20, value_name = "COUNT")]
    pub limit: usize,

    /// List all
    #[arg(long, conflicts_with = "limit")]
    pub all: bool,

    /// List those with this tag
    #[arg(long, value_name = "TAG")]
    pub tag: Option<String>,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What to search.
#[derive(Clone, Debug, Args)]
pub struct SearchArgs {
    /// The words
    #[arg(required = true)]
    pub words: Vec<String>,

    /// Show so many conversations
    #[arg(long, short = 'n', default_value_t = 20, value_name = "COUNT")]
    pub limit: usize,

    /// Print JSON
    #[arg(long)]
    pub json: bool,
}

/// What to show.
#[derive(Clone, Debug, Args)]
pub struct ShowArgs {
    /// The id, or its first letters; the last conversation without one
    pub id: Option<String>,

    /// Show reasoning too
    #[arg(long)]
    pub reasoning: bool,

    /// Print JSON, with all branches
    #[arg(long)]
    pub json: bool,
}

/// What to export.
#[derive(Clone, Debug, Args)]
pub struct ExportArgs {
    /// The ids, or their first letters; all without any
    pub ids: Vec<String>,

    /// json (loses nothing), jsonl (OpenAI's, the branch that is shown) or md; else what the file's name says, else json
    #[arg(long, value_name = "FORMAT", value_parser = format_of)]
    pub format: Option<Format>,

    /// Write to this file, which must not be there yet; stdout without one
    #[arg(long, short, value_name = "FILE")]
    pub output: Option<PathBuf>,
}

/// What to import.
#[derive(Clone, Debug, Args)]
pub struct ImportArgs {
    /// The file; '-' is stdin
    pub file: PathBuf,

    /// json, jsonl or md; else what the file's name or its beginning says
    #[arg(long, value_name = "FORMAT", value_parser = format_of)]
    pub format: Option<Format>,

    /// Put conversations over those of the same id
    #[arg(long)]
    pub replace: bool,
}

/// What to delete.
#[derive(Clone, Debug, Args)]
pub struct DeleteArgs {
    /// The ids, or their first letters
    #[arg(required_unless_present = "all")]
    pub ids: Vec<String>,

    /// Delete all conversations
    #[arg(long, conflicts_with = "ids")]
    pub all: bool,

    /// Do not ask
    #[arg(long, short)]
    pub yes: bool,
}

fn format_of(word: &str) -> Result<Format, String> {
    Format::of_name(&format!(".{word}")).ok_or_else(|| {
        let known = Format::ALL.map(Format::as_str).join(", ");
        format!("one of {known} is wanted")
    })
}

/// Does it.
///
/// # Errors
/// When the file cannot be used, or there is no such conversation.
pub(super) fn run(
    command: &HistoryCommand,
    config: &Config,
    env: &Env,
    out: &mut dyn Write,
    is_terminal: bool,
    style: Style,
) -> Result<(), Failure> {
    let mut history = History::open(&folder(config, env)?, &mut dice())?;
    if let Some(note) = history.note() {
        super::report::warn(&[note.to_owned()], &mut io::stderr(), style)?;
    }
    match command {
        HistoryCommand::List(args) => list(&history, args, out, style),
        HistoryCommand::Search(args) => search(&mut history, args, out, style),
        HistoryCommand::Show(args) => show(&history, args, out, is_terminal, style),
        HistoryCommand::Export(args) => export(&history, args, out),
        HistoryCommand::Import(args) => bring(&mut history, args, out),
        HistoryCommand::Delete(args) => delete(&mut history, args, out),
        HistoryCommand::Stats { json } => show::figures(&history.figures()?, *json, out),
    }
}

/// Finds the conversation that the first letters of an id name.
///
/// # Errors
/// When none or several begin so.
pub(super) fn named(history: &History, letters: &str) -> Result<Conversation, Error> {
    let id = id_of(history, letters)?;
    history.load(id)?.ok_or_else(|| nothing(letters))
}

fn id_of(history: &History, letters: &str) -> Result<ConversationId, Error> {
    match history.find(letters)?.as_slice() {
        [] => Err(nothing(letters)),
        [id] => Ok(*id),
        _ => Err(Error::new(
            ErrorKind::Config,
            format!("several conversations begin with '{letters}'"),
        )
        .with_hint("give more letters of the id")),
    }
}

fn nothing(letters: &str) -> Error {
    Error::new(
        ErrorKind::Config,
        format!("there is no conversation '{letters}'"),
    )
    .with_hint("'llmdeck history list' shows those that there are")
}

/// Finds the conversation in which something was said last.
///
/// # Errors
/// When there is none.
pub(super) fn newest(history: &History) -> Result<Conversation, Error> {
    let none = || {
        Error::new(ErrorKind::Config, "there is no conversation yet")
            .with_hint("begin one: llmdeck chat \"why is the sky blue?\"")
    };
    let id = history.newest()?.ok_or_else(none)?;
    history.load(id)?.ok_or_else(none)
}

/// Writes a time as it is here.
pub(super) fn local(at: Timestamp) -> String {
    let zoned = at.to_zoned(TimeZone::system());
    zoned.strftime("%Y-%m-%d %H:%M").to_string()
}

/// Returns the title with what should be known of it.
fn title(summary: &Summary) -> String {
    let mut title = match summary.title.as_str() {
        "" => "(nothing asked yet)".to_owned(),
        title => clean_line(title),
    };
    for tag in &summary.tags {
        title.push_str(" #");
        title.push_str(&clean_line(tag));
    }
    for (is_so, word) in [
        (summary.pinned, "pinned"),
        (summary.cut, "cut"),
        (summary.has_draft, "draft"),
    ] {
        if is_so {
            title.push_str(" [");
            title.push_str(word);
            title.push(']');
        }
    }
    title
}

fn list(
    history: &History,
    args: &ListArgs,
    out: &mut dyn Write,
    style: Style,
) -> Result<(), Failure> {
    let limit = if args.all || args.tag.is_some() {
        usize::MAX
    } else {
        args.limit
    };
    let page = history.list(limit, 0)?;
    let mut shown = page.conversations;
    if let Some(tag) = &args.tag {
        let tag = tag.trim_start_matches('#');
        shown.retain(|summary| summary.tags.iter().any(|known| known == tag));
        shown.truncate(if args.all { usize::MAX } else { args.limit });
    }
    if args.json {
        let json = serde_json::to_string_pretty(&shown).map_err(io::Error::from)?;
        writeln!(out, "{json}")?;
        return Ok(());
    }
    if shown.is_empty() {
        writeln!(
            out,
            "no conversation is kept{}",
            if args.tag.is_some() {
                " with this tag"
            } else {
                ""
            }
        )?;
        return Ok(());
    }
    let heading = ["ID", "LAST SAID", "ASKED", "MODEL", "TITLE"].map(str::to_owned);
    let rows = shown.iter().map(|summary| {
        vec![
            summary.id.short(),
            local(summary.updated_at),
            format!("{:>5}", summary.questions),
            clean_line(summary.model.as_deref().unwrap_or("-")),
            title(summary),
        ]
    });
    let rows: Vec<Vec<String>> = std::iter::once(heading.to_vec()).chain(rows).collect();
    let columns = terminal_columns();
    for (at, line) in lay_out(&rows).iter().enumerate() {
        let line = fit(line, columns);
        let line = if at == 0 { style.strong(&line) } else { line };
        writeln!(out, "{line}")?;
    }
    if args.tag.is_none() && page.total > shown.len() as u64 {
        let line = format!("{} of {}; --all lists all", shown.len(), page.total);
        writeln!(out, "{}", style.faint(&line))?;
    }
    Ok(())
}

fn search(
    history: &mut History,
    args: &SearchArgs,
    out: &mut dyn Write,
    style: Style,
) -> Result<(), Failure> {
    let limit = SearchLimit {
        hits: args.limit,
        time: PATIENCE,
    };
    let found = history.search(&args.words.join(" "), limit)?;
    if args.json {
        let json = serde_json::to_string_pretty(&found).map_err(io::Error::from)?;
        writeln!(out, "{json}")?;
        return Ok(());
    }
    for hit in &found.hits {
        let summary = &hit.conversation;
        writeln!(
            out,
            "{}  {}  {}",
            style.helpful(&summary.id.short()),
            local(summary.updated_at),
            style.strong(&title(summary))
        )?;
        let line = match hit.matched {
            Some((start, end)) => format!(
                "{}{}{}",
                &hit.line[..start],
                style.doubtful(&hit.line[start..end]),
                &hit.line[end..]
            ),
            None => hit.line.clone(),
        };
        writeln!(out, "    {}: {line}", hit.role)?;
    }
    match (found.hits.len(), found.more) {
        (0, false) => writeln!(out, "nothing found")?,
        (0, true) => writeln!(out, "nothing found in {} s", PATIENCE.as_secs())?,
        (_, true) => writeln!(
            out,
            "{}",
            style.faint("there may be more; --limit shows more")
        )?,
        (_, false) => {}
    }
    Ok(())
}

fn show(
    history: &History,
    args: &ShowArgs,
    out: &mut dyn Write,
    is_terminal: bool,
    style: Style,
) -> Result<(), Failure> {
    let conversation = match &args.id {
        Some(id) => named(history, id)?,
        None => newest(history)?,
    };
    if args.json {
        let json = serde_json::to_string_pretty(&conversation).map_err(io::Error::from)?;
        writeln!(out, "{json}")?;
        return Ok(());
    }
    show::conversation(&conversation, args.reasoning, out, is_terminal, style)
}

fn export(history: &History, args: &ExportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let ids: Vec<ConversationId> = if args.ids.is_empty() {
        history.ids()?
    } else {
        let ids = args.ids.iter().map(|letters| id_of(history, letters));
        ids.collect::<Result<_, _>>()?
    };
    let by_name = args
        .output
        .as_ref()
        .and_then(|path| Format::of_name(&path.to_string_lossy()));
    let format = args.format.or(by_name).unwrap_or(Format::Json);
    // One that is deleted meanwhile is left out.
    let mut each = ids
        .into_iter()
        .filter_map(|id| history.load(id).transpose());
    let Some(path) = &args.output else {
        export_into(out, format, &mut each)?;
        return Ok(());
    };
    let mut options = std::fs::OpenOptions::new();
    options.write(true).create_new(true);
    #[cfg(unix)]
    std::os::unix::fs::OpenOptionsExt::mode(&mut options, 0o600);
    let file = options.open(path).map_err(|error| {
        Error::new(
            ErrorKind::Config,
            format!("'{}' cannot be made: {error}", path.display()),
        )
        .with_hint("choose another file; none is ever written over")
    })?;
    let mut file = io::BufWriter::new(file);
    let count = export_into(&mut file, format, &mut each)?;
    writeln!(out, "{} in {}", counted(count), path.display())?;
    Ok(())
}

fn counted(count: usize) -> String {
    match count {
        1 => "1 conversation".to_owned(),
        count => format!("{count} conversations"),
    }
}

fn bring(history: &mut History, args: &ImportArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let name = args.file.to_string_lossy();
    let text = read(&args.file)?;
    let format = args
        .format
        .or_else(|| Format::of_name(&name))
        .unwrap_or_else(|| Format::of_text(&text));
    let imported = import(&text, format, Timestamp::now(), &mut dice())?;
    let (mut new, mut replaced, mut kept) = (0, 0, 0);
    for conversation in imported.conversations {
        let is_there = history.summary(conversation.id)?.is_some();
        if is_there && !args.replace {
            kept += 1;
            continue;
        }
        history.bring(conversation, &mut dice())?;
        if is_there {
            replaced += 1;
        } else {
            new += 1;
        }
    }
    writeln!(out, "{} imported", counted(new))?;
    if replaced > 0 {
        writeln!(out, "{} replaced", counted(replaced))?;
    }
    if kept > 0 {
        let were = if kept == 1 { "was" } else { "were" };
        writeln!(
            out,
            "{} {were} there already; --replace puts what is read over them",
            counted(kept)
        )?;
    }
    for why in imported.left_out {
        writeln!(out, "left out: {}", clean_line(&why))?;
    }
    Ok(())
}

fn read(path: &std::path::Path) -> Result<String, Error> {
    let failed = |error: String| {
        let shown = path.display();
        Error::new(
            ErrorKind::Config,
            format!("'{shown}' cannot be read: {error}"),
        )
        .with_hint("give a file that 'llmdeck history export' wrote, or '-' for stdin")
    };
    let mut text = String::new();
    let reader: &mut dyn Read = if path.as_os_str() == "-" {
        &mut io::stdin()
    } else {
        &mut std::fs::File::open(path).map_err(|error| failed(error.to_string()))?
    };
    reader
        .take(LARGEST + 1)
        .read_to_string(&mut text)
        .map_err(|error| failed(error.to_string()))?;
    if text.len() as u64 > LARGEST {
        return Err(failed("it is larger than 1 GiB".to_owned()));
    }
    Ok(text)
}

fn delete(history: &mut History, args: &DeleteArgs, out: &mut dyn Write) -> Result<(), Failure> {
    let ids = if args.all {
        history.ids()?
    } else {
        let ids = args.ids.iter().map(|letters| id_of(history, letters));
        ids.collect::<Result<Vec<_>, _>>()?
    };
    if !args.yes && !ids.is_empty() {
        confirm(history, &ids, out)?;
    }
    let mut gone = 0;
    for id in ids {
        gone += usize::from(history.remove(id)?);
    }
    writeln!(out, "{} deleted", counted(gone))?;
    Ok(())
}

fn confirm(history: &History, ids: &[ConversationId], out: &mut dyn Write) -> Result<(), Failure> {
    if !io::stdin().is_terminal() {
        let message = "nobody is there to be asked";
        let error =
            Error::new(ErrorKind::Config, message).with_hint("--yes deletes without asking");
        return Err(error.into());
    }
    for id in ids.iter().take(10) {
        if let Some(summary) = history.summary(*id)? {
            writeln!(out, "{}  {}", summary.id.short(), title(&summary))?;
        }
    }
    if ids.len() > 10 {
        writeln!(out, "and {} more", ids.len() - 10)?;
    }
    write!(out, "delete {} for good? [y/N] ", counted(ids.len()))?;
    out.flush()?;
    let mut answer = String::new();
    io::stdin().read_line(&mut answer)?;
    if matches!(answer.trim(), "y" | "Y" | "yes") {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Cancelled, "").into())
}
