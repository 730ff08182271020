//! The warnings that `terraform plan` prints. A saved plan does not contain them.

/// The most warnings that are kept of one plan.
const MAX_WARNINGS: usize = 20;

/// Returns the summaries of the warnings in the output of a plan command, each once, without colours.
/// The warning about a failing `check` block is left out, because the saved plan names the block.
pub fn list_warnings(output: &str) -> Vec<String> {
    let mut warnings: Vec<String> = Vec::new();
    for line in output.lines() {
        // Terraform draws a frame beside a warning, unless it prints without colours.
        let text = line.trim_start_matches(['│', '|', ' ']);
        let summary = text.strip_prefix("Warning: ").map(str::trim_end);
        let is_new = |summary: &&str| !warnings.iter().any(|it| it == summary);
        let is_check = |summary: &&str| *summary == "Check block assertion failed";
        let found = summary.filter(is_new).filter(|it| !is_check(it));
        warnings.extend(found.map(str::to_owned));
        if warnings.len() == MAX_WARNINGS {
            break;
        }
    }
    warnings
}

#[cfg(test)]
mod tests {
    use super::list_warnings;

    /// Both forms of a warning are read, and no other line that has the word.
    #[test]
    fn forms() {
        let output = "\
╷
│ Warning: Argument is deprecated
│ 
│   on main.tf line 3: the Warning: is not here
╵

Warning: Value for undeclared variable

Warning: Argument is deprecated
Warning: Check block assertion failed
  + text = \"Warning: no\"
";
        assert_eq!(
            list_warnings(output),
            ["Argument is deprecated", "Value for undeclared variable"]
        );
        let many = (0..100)
            .map(|n| format!("Warning: {n}\n"))
            .collect::<Vec<_>>()
            .concat();
        assert_eq!(list_warnings(&many).len(), 20);
    }
}
