//! Source files as text, without comments and strings, and the modules that their paths reach.

use std::path::Path;

/// One file of `src`.
pub struct Source {
    /// Its path from the top, such as `src/git/refs.rs`.
    pub name: String,
    /// Its module from the crate's root, such as `git`, `refs`; `main` for the binary, nothing for `lib.rs`.
    pub module: Vec<String>,
    pub text: String,
}

impl Source {
    pub fn new(name: &str, text: String) -> Self {
        let path = name
            .strip_prefix("src/")
            .unwrap()
            .strip_suffix(".rs")
            .unwrap();
        let mut module: Vec<_> = path.split('/').map(str::to_owned).collect();
        module.pop_if(|last| last == "mod" || last == "lib");
        Self {
            name: name.to_owned(),
            module,
            text,
        }
    }

    /// Returns every Rust file under a folder called `src`.
    pub fn all(folder: &Path) -> Vec<Self> {
        let files = walkdir::WalkDir::new(folder)
            .sort_by_file_name()
            .into_iter()
            .map(Result::unwrap);
        files
            .filter(|file| {
                file.path()
                    .extension()
                    .is_some_and(|extension| extension == "rs")
            })
            .map(|file| {
                let name = file.path().strip_prefix(folder.parent().unwrap()).unwrap();
                Self::new(
                    name.to_str().unwrap(),
                    std::fs::read_to_string(file.path()).unwrap(),
                )
            })
            .collect()
    }

    /// Returns the names directly under the crate's root that paths in this file reach, with their
    /// lines: after `crate::`, after `git_deploy::`, and after as many `super::` as lead to the
    /// root or beyond. `*` stands for all of them.
    pub fn uses(&self) -> Vec<(usize, String)> {
        let code = blanked(&self.text, true);
        let tokens = tokens(&code);
        let mut uses = Vec::new();
        for (at, (line, token)) in tokens.iter().enumerate() {
            let root = match *token {
                "crate" | "git_deploy" => true,
                // A test module inside the file is one deeper; taking its `super::super` for more than it is harms nobody.
                "super" => {
                    let before = tokens[..at]
                        .iter()
                        .rev()
                        .take_while(|(_, token)| matches!(*token, "super" | "::"));
                    before.filter(|(_, token)| *token == "super").count() + 1 >= self.module.len()
                }
                _ => false,
            };
            if root {
                let names = reached(tokens[at + 1..].iter().map(|(_, token)| *token));
                uses.extend(names.into_iter().map(|name| (*line, name.to_owned())));
            }
        }
        uses
    }

    /// Returns the text before the unit tests at its end; nothing for a file that is all tests.
    pub fn without_tests<'t>(&self, text: &'t str) -> &'t str {
        const TEST_FILES: [&str; 2] = ["tests", "samples"];
        if self
            .module
            .iter()
            .any(|module| TEST_FILES.contains(&module.as_str()))
        {
            return "";
        }
        text.find("#[cfg(test)]\nmod tests {")
            .map_or(text, |end| &text[..end])
    }
}

/// Returns the first names of the paths that continue with these tokens: one name, or several in
/// braces.
fn reached<'t>(mut tokens: impl Iterator<Item = &'t str>) -> Vec<&'t str> {
    match tokens.next() {
        Some("::") => {}
        // The root under another name.
        Some("as") => return vec!["*"],
        _ => return Vec::new(),
    }
    match tokens.next() {
        Some("{") => {}
        Some(name) => return vec![name],
        None => return Vec::new(),
    }
    let mut names = Vec::new();
    let mut depth = 1;
    let mut first = true;
    for token in tokens {
        match token {
            "{" => depth += 1,
            "}" => depth -= 1,
            "," if depth == 1 => first = true,
            _ if first => {
                names.push(if token == "self" { "*" } else { token });
                first = false;
            }
            _ => {}
        }
        if depth == 0 {
            break;
        }
    }
    names
}

/// Returns names, `::` and other single characters, each with its line.
fn tokens(code: &str) -> Vec<(usize, &str)> {
    let inside = |character: char| character.is_alphanumeric() || character == '_';
    let mut tokens = Vec::new();
    for (number, line) in code.lines().enumerate() {
        let mut rest = line.trim_start();
        while let Some(character) = rest.chars().next() {
            let length = if inside(character) {
                rest.find(|character| !inside(character))
                    .unwrap_or(rest.len())
            } else if rest.starts_with("::") {
                2
            } else {
                character.len_utf8()
            };
            tokens.push((number + 1, &rest[..length]));
            rest = rest[length..].trim_start();
        }
    }
    tokens
}

/// Replaces comments, and the contents of strings if asked to, with blanks; lines stay where they
/// are.
pub fn blanked(text: &str, strings: bool) -> String {
    let mut code = String::new();
    let mut rest = text;
    while let Some(character) = rest.chars().next() {
        let (length, blank) = if rest.starts_with("//") {
            (rest.find('\n').unwrap_or(rest.len()), true)
        } else if rest.starts_with("/*") {
            (comment(rest), true)
        } else if let Some(length) =
            string(rest).filter(|_| !code.ends_with(|c: char| c.is_alphanumeric() || c == '_'))
        {
            (length, strings)
        } else {
            (character.len_utf8(), false)
        };
        let (part, after) = rest.split_at(length);
        code.extend(part.chars().map(|character| {
            if blank && character != '\n' {
                ' '
            } else {
                character
            }
        }));
        rest = after;
    }
    code
}

/// Returns the length of the comment that begins here, with those inside it.
fn comment(text: &str) -> usize {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        let rest = &text.as_bytes()[at..];
        let step = match rest {
            [b'/', b'*', ..] => 1,
            [b'*', b'/', ..] => -1,
            _ => 0,
        };
        depth += step;
        at += if step == 0 { 1 } else { 2 };
        if depth == 0 {
            break;
        }
    }
    at
}

/// Returns the length of the string or character that begins here, with its quotes; `None` if none
/// does.
fn string(text: &str) -> Option<usize> {
    let body = text.trim_start_matches(['b', 'c']);
    let prefix = text.len() - body.len();
    if let Some(raw) = body.strip_prefix('r') {
        let hashes = raw.len() - raw.trim_start_matches('#').len();
        let inner = raw[hashes..].strip_prefix('"')?;
        let end = format!("\"{}", "#".repeat(hashes));
        return Some(text.len() - inner.len() + inner.find(&end)? + end.len());
    }
    let quote = body
        .chars()
        .next()
        .filter(|quote| matches!(quote, '"' | '\''))?;
    let mut escaped = false;
    for (at, character) in body.char_indices().skip(1) {
        match character {
            _ if escaped => escaped = false,
            '\\' => escaped = true,
            _ if character == quote => return Some(prefix + at + 1),
            // A lifetime: a character that is not escaped is one character long.
            _ if quote == '\''
                && !body[at + character.len_utf8()..].starts_with('\'')
                && !body.starts_with("'\\") =>
            {
                return None;
            }
            _ => {}
        }
    }
    None
}
