//! Looks up the variables of a CI job.

/// A function that looks up a variable. It must treat an empty variable as unset, because some CI
/// systems set variables without a value to the empty text.
pub(in crate::cli) type VariableLookup<'a> = &'a dyn Fn(&str) -> Option<String>;

/// Looks up a variable of this process. Ignores a value that is not Unicode.
pub(in crate::cli) fn read_variable(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
