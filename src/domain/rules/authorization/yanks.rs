//! Who may replace a yank or lift it.

use super::{Objection, object_unless};
use crate::domain::entry::Yank;
use crate::domain::name::Person;
use crate::domain::rules::context::Context;
use crate::domain::rules::facts::Fact;

/// Checks who yanks a commit whose yank is open, to cover more contents: the person who replaces a
/// yank may lift it later.
pub(super) fn check_extended_yank(ctx: &Context<'_>, yank: &Yank, by: &Person) -> Fact<Objection> {
    let state = ctx.state()?;
    let open_yank = yank.commit.and_then(|commit| state.yanked_commit(commit));
    let Some(open_yank) = open_yank.filter(|it| it.statement.by != *by) else {
        return Ok(None);
    };
    let is_admin = ctx.admins()?.contains(by);
    Ok(object_unless(is_admin, || {
        format!(
            "it is yanked by {}: only they or an admin may yank more of it, not {by}",
            open_yank.statement.by
        )
    }))
}

/// Checks that a yank is lifted by the person who yanked, or by an admin.
pub(super) fn check_unyank(
    ctx: &Context<'_>,
    yank: &Yank,
    by: &Person,
    is_person: bool,
) -> Fact<Objection> {
    if ctx.admins()?.contains(by) {
        return Ok(None);
    }
    let state = ctx.state()?;
    let of_commit = yank.commit.and_then(|commit| state.yanked_commit(commit));
    let yank_entry = of_commit.or_else(|| {
        yank.digest
            .as_ref()
            .and_then(|digest| state.yanked_digest(digest))
    });
    let is_own = yank_entry.is_some_and(|yank_entry| yank_entry.statement.by == *by);
    Ok(object_unless(is_own && is_person, || {
        format!("only the person who yanked it or an admin may unyank it, not {by}")
    }))
}
