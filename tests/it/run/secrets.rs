//! A secret that a command prints, in whatever spelling programs give it, is masked everywhere.

use std::path::Path;

use super::RunFixture;
use crate::harness::{Run, World};

/// Two lines, with what JSON, URLs, shells and base64 treat in their own ways, and longer than a line of base64.
const SECRET: &str =
    "Zq8/ü<&>\"k'x+ 7%pQ\nsecond-line-of-the-secret_0123456789-and-more-of-it-until-it-is-long";
/// A short one that only planning needs.
const TOKEN: &str = "tok-4711-xyz";

/// The output of a careless command.
const CARELESS: &str = r#"echo "$SECRET"
printf '%s' "$SECRET" | { head -c 9; sleep 0.2; cat; }; echo
printf '%s\n' "$SECRET" | while IFS= read -r line; do echo "> $line"; sleep 0.1; done
printf '%s' "$SECRET" | base64
printf '%s' "$SECRET" | base64 -w0; echo
printf 'user:%s' "$SECRET" | base64 -w0; echo
printf 'us:%s' "$SECRET" | base64 -w0; echo
printf '%s' "$SECRET" | tail -n 1 | sed 's/line/\x1b[1;31mline\x1b[m/'
printf '%s' "$SECRET" | tail -n 1 | tr -d '\n' | sed 's/of-the/\x00&/'; echo
perl -e 'use utf8; my $s = $ENV{SECRET}; utf8::decode($s); (my $j = $s) =~ s/(["\\])/\\$1/g; $j =~ s/\n/\\n/g; my $a = $j; $a =~ s/ü/\\u00fc/g; my $g = $j; $g =~ s/([<>&])/sprintf "\\u%04x", ord $1/ge; binmode STDOUT, ":utf8"; print "{\"a\":\"$j\"}\n{\"a\":\"$a\"}\n{\"a\":\"$g\"}\n"'
perl -e 'my $s = $ENV{SECRET}; (my $u = $s) =~ s/([^A-Za-z0-9._~-])/sprintf "%%%02X", ord $1/ge; (my $l = $s) =~ s/([^A-Za-z0-9._~-])/sprintf "%%%02x", ord $1/ge; (my $f = $u) =~ s/%20/+/g; print "https://x/?p=$u\nhttps://x/?p=$l\nhttps://x/?p=$f\n"'
echo "$SECRET" >&2
(set -x; : "$TOKEN")
cat /proc/[0-9]*/cmdline > $HOME/arguments 2> /dev/null
echo "careless has ended"
"#;

/// Pieces of the secrets, in the plain and in other spellings; all of them long enough not to come about by chance.
fn pieces() -> Vec<String> {
    use base64::Engine as _;
    let mut pieces: Vec<String> = SECRET.lines().map(str::to_owned).collect();
    pieces.extend(
        [
            TOKEN,
            "second-line",
            "of-the-secret",
            "0123456789-and-more",
            "until-it-is-long",
            "Zq8/\\u00fc",
            "k'x+",
            "7%25pQ",
            "7%pQ",
            "Zq8%2F",
            "Zq8%2f",
        ]
        .map(str::to_owned),
    );
    for before in ["", "x", "xy"] {
        let whole = base64::engine::general_purpose::STANDARD.encode(format!("{before}{SECRET}"));
        // From the first letters that are the secret's alone.
        let whole: Vec<char> = whole.chars().skip(4).collect();
        pieces.extend(
            whole
                .chunks(16)
                .filter(|it| it.len() == 16)
                .map(|it| it.iter().collect::<String>()),
        );
    }
    pieces
}

#[track_caller]
fn holds_none(place: &str, bytes: &[u8]) {
    let text = String::from_utf8_lossy(bytes);
    let found: Vec<String> = pieces()
        .into_iter()
        .filter(|piece| text.contains(piece.as_str()))
        .collect();
    let lines: Vec<&str> = text
        .lines()
        .filter(|line| found.iter().any(|piece| line.contains(piece.as_str())))
        .collect();
    assert!(found.is_empty(), "{place}: {found:?}\n{}", lines.join("\n"));
}

#[test]
fn secrets_are_masked_everywhere() {
    let world = World::new();
    let secrets = "secrets = { SECRET = \"cat $HOME/vault/secret\", TOKEN = { command = \"cat $HOME/vault/token\", plan = true } }";
    let play = RunFixture::new(
        &world,
        "[environments]\ndev = { exec_by = \"ci\" }\n",
        &[("net", secrets), ("db", secrets), ("web", secrets)],
    );
    std::fs::create_dir(play.home("vault")).unwrap();
    std::fs::write(play.home("vault/secret"), format!("{SECRET}\n")).unwrap();
    std::fs::write(play.home("vault/token"), format!("{TOKEN}\r\n")).unwrap();
    let ci = &play.project.ci;
    let words = "echo \"token [$TOKEN] secret [$SECRET]\"\necho \"$TOKEN\" | tr -d '\\r'\n";
    play.change(&[
        ("net/plan", words),
        ("net/apply", CARELESS),
        ("web/plan", &format!("{words}exit 1\n")),
        ("db/verify", &format!("{CARELESS}exit 3\n")),
    ]);
    let run = |command: &[&str], code| -> Run<'_> {
        let run = ci.deploy(command).fails(code);
        holds_none(&command.join(" "), run.to_string().as_bytes());
        run
    };
    // Planning gets what it needs and no more.
    let planned = run(&["plan", "dev", "--full"], 4);
    assert!(
        planned.text().contains("token [***] secret []"),
        "{planned}"
    );
    run(&["plan", "dev", "--json"], 4);
    run(&["plan", "dev", "--format", "markdown"], 4);
    let both = ["--component", "net", "--component", "db"];
    run(&[&["run", "dev", "--yes", "--json"], &both[..]].concat(), 4);
    assert_eq!(play.ended("dev"), "db failed, net succeeded");
    run(&["verify", "dev", "--component", "net"], 0);
    run(
        &[
            "exec",
            "dev",
            "--yes",
            "--component",
            "net",
            "--",
            "sh",
            "apply",
        ],
        0,
    );
    // A secret that cannot be had is told by its name, and nothing that its command said is.
    std::fs::write(play.home("vault/secret"), vec![b'x'; 70_000]).unwrap();
    run(&["verify", "dev", "--component", "net"], 4);

    let arguments = std::fs::read(play.home("arguments")).unwrap();
    assert!(
        arguments.windows(10).any(|it| it == b"git-deploy"),
        "it did not look"
    );
    holds_none("arguments", &arguments);
    let logs = play.logs();
    let ended = |path: &&std::path::PathBuf| {
        std::fs::read_to_string(path)
            .unwrap()
            .contains("careless has ended")
    };
    assert_eq!(logs.iter().filter(ended).count(), 2, "{logs:?}");
    for repo in [&ci.repo, &play.project.server] {
        let all = ["cat-file", "--batch", "--batch-all-objects", "--unordered"];
        let objects = repo.command("git").args(all).output().unwrap().stdout;
        holds_none("objects", &objects);
    }
    // The files of everybody, but for the vault.
    let files = walkdir::WalkDir::new(world.path())
        .into_iter()
        .map(|it| it.unwrap().into_path());
    let files = files.filter(|path: &std::path::PathBuf| {
        path.is_file() && !path.starts_with(play.home("vault"))
    });
    for file in files {
        holds_none(
            &file.display().to_string(),
            &std::fs::read(Path::new(&file)).unwrap(),
        );
    }
    play.nothing_left();
}
