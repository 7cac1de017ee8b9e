//! Just enough of Rust's lexical structure to tell code from comments and texts.

/// The source with comments, string and character literals blanked out; lines stay where they are.
pub(super) fn without_comments_and_texts(source: &str) -> String {
    let mut code = String::with_capacity(source.len());
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let length = skipped(rest, code.chars().next_back());
        if length == 0 {
            code.push(first);
            rest = &rest[first.len_utf8()..];
        } else {
            code.extend(rest[..length].chars().map(|c| if c == '\n' { '\n' } else { ' ' }));
            rest = &rest[length..];
        }
    }
    code
}

/// The number of the first line, from 1, that has `word` as a word of its own.
pub(super) fn line_of_word(code: &str, word: &str) -> Option<usize> {
    let is_part = |c: char| c.is_alphanumeric() || c == '_';
    let found = |line: &str| line.split(|c| !is_part(c)).any(|part| part == word);
    code.lines().position(found).map(|index| index + 1)
}

/// Length in bytes of the comment or literal at the start of `rest`; zero when there is none.
fn skipped(rest: &str, before: Option<char>) -> usize {
    if rest.starts_with("//") {
        return rest.find('\n').unwrap_or(rest.len());
    }
    if rest.starts_with("/*") {
        return block_comment(rest);
    }
    let inside_word = before.is_some_and(|c| c.is_alphanumeric() || c == '_');
    let after_prefix = rest.trim_start_matches(['b', 'c']);
    if !inside_word && after_prefix.starts_with('r') {
        return raw_string(rest, after_prefix).unwrap_or(0);
    }
    if rest.starts_with('"') { quoted(rest) } else { character(rest) }
}

fn block_comment(rest: &str) -> usize {
    let mut depth = 0_usize;
    let mut at = 0;
    while at < rest.len() {
        if rest[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if rest[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                return at;
            }
        } else {
            at += rest[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    rest.len()
}

/// `r"…"`, `r#"…"#`, … with or without a prefix; `None` when it is an ordinary word.
fn raw_string(rest: &str, from_r: &str) -> Option<usize> {
    let after_r = &from_r[1..];
    let hashes = after_r.len() - after_r.trim_start_matches('#').len();
    let body = after_r[hashes..].strip_prefix('"')?;
    let close = format!("\"{}", "#".repeat(hashes));
    let end = body.find(&close).map_or(body.len(), |found| found + close.len());
    Some(rest.len() - body.len() + end)
}

fn quoted(rest: &str) -> usize {
    let mut characters = rest.char_indices().skip(1);
    while let Some((at, c)) = characters.next() {
        match c {
            '\\' => drop(characters.next()),
            '"' => return at + 1,
            _ => {}
        }
    }
    rest.len()
}

/// A character literal; a lifetime is none.
fn character(rest: &str) -> usize {
    let Some(inner) = rest.strip_prefix('\'') else { return 0 };
    if let Some(escaped) = inner.strip_prefix('\\') {
        // The escaped character may itself be a quote.
        let after = escaped.char_indices().nth(1).map_or(escaped.len(), |(at, _)| at);
        return escaped[after..].find('\'').map_or(0, |found| 2 + after + found + 1);
    }
    let Some(c) = inner.chars().next() else { return 0 };
    if inner[c.len_utf8()..].starts_with('\'') { 2 + c.len_utf8() } else { 0 }
}
