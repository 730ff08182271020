//! Tests of the layout of tables.

use super::*;

fn sample() -> Table {
    let mut table = Table::new(&["Environment", "Component", "Subject"]).shorten_columns(&[2]);
    table.add_row(["dev", "api", "Fix login redirect"]);
    table.add_row(["", "größe", "資料庫 更新 更新"]);
    table.add_row(["prod", "", ""]);
    table
}

fn plain(table: &Table, width: Option<usize>) -> String {
    anstream::adapter::strip_str(&table.render(width)).to_string()
}

/// Checks that columns are aligned by what a terminal shows, not by bytes or characters.
#[test]
fn whole() {
    assert_eq!(
        plain(&sample(), None),
        "ENVIRONMENT  COMPONENT  SUBJECT\n\
             dev          api        Fix login redirect\n             \
                          größe      資料庫 更新 更新\n\
             prod"
    );
}

/// Checks that lines are shortened to the width of the terminal: a longer line would break the
/// table.
#[test]
fn cut_to_the_width() {
    let text = plain(&sample(), Some(35));
    assert_eq!(
        text,
        "ENVIRONMENT  COMPONENT  SUBJECT\n\
             dev          api        Fix login…\n             \
                          größe      資料庫 更…\n\
             prod"
    );
    assert!(text.lines().all(|line| line.width() <= 35));
    // The other columns already take more than the width, so the elastic one keeps its minimum.
    assert!(plain(&sample(), Some(10)).contains("Fix log…"));
    // A second elastic column is shortened after the first.
    let both = || sample().shorten_columns(&[2, 0]);
    assert!(
        plain(&both(), Some(29))
            .lines()
            .all(|line| line.width() <= 29)
    );
    assert!(plain(&both(), Some(35)).contains("ENVIRONMENT"));
    assert!(plain(&both().with_min_width(2, 18), Some(35)).contains("Fix login redirect"));
    assert!(sample().fits(Some(42)) && !sample().fits(Some(41)));
}

/// Checks that names with the same beginning or end stay distinct, and that sentences are cut
/// at the end.
#[test]
fn cut_names() {
    let cut = |names: &[&str], width: usize| {
        let mut table = Table::new(&["x"]);
        for name in names {
            table.add_row([*name]);
        }
        plain(&table, Some(width))
            .lines()
            .skip(1)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    assert_eq!(
        cut(&["europe-west-1-live", "europe-west-1-test"], 12),
        ["europe…-live", "europe…-test"]
    );
    assert_eq!(
        cut(&["service-01-of-the-shop", "service-02-of-the-shop"], 12),
        ["service-01-…", "service-02-…"]
    );
    assert_eq!(
        cut(&["a-shop-service-01-live", "a-shop-service-02-live"], 10),
        ["…e-01-live", "…e-02-live"]
    );
    assert_eq!(
        cut(
            &["deploying 2026.11.0-rc.3", "deploying 2026.11.0-rc.4"],
            12
        ),
        ["deploying 2…"; 2]
    );
    assert_eq!(cut(&["資料庫更新更新"], 11), ["資料…更新"]);
}

/// Checks that remarks are wrapped and not cut, and that a command stays on one line.
#[test]
fn remarks() {
    let mut table = Table::new(&["a"]);
    table.add_heading("production");
    table.add_row(["api"]);
    table.add_command_remark(
        "web is locked by bob: a very long reason",
        "git deploy unlock production",
    );
    assert_eq!(
        plain(&table, Some(30)),
        "A\nproduction\napi\n  web is locked by bob: a very\n    long reason\n    → git deploy unlock production"
    );
    assert!(
        plain(&table, None).ends_with(
            "\n  web is locked by bob: a very long reason · git deploy unlock production"
        )
    );
}

/// Checks that unsafe characters are replaced: subjects come from untrusted commits.
#[test]
fn hostile_text() {
    let mut table = Table::new(&["a"]);
    table.add_row(["\u{1b}]0;x\u{7}\nnext"]);
    table.add_remark("\u{202e}");
    assert_eq!(
        plain(&table, None),
        "A\n\u{fffd}]0;x\u{fffd}\u{fffd}next\n  \u{fffd}"
    );
}
