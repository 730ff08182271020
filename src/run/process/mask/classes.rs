//! What the symbols of an output mean in a view of it.

use super::escapes::Symbol;

/// What a symbol is in a view.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Class {
    /// It counts as this byte.
    Kept(u8),
    /// It is dropped.
    Skipped,
    /// It is dropped, and separates texts.
    Space,
    /// No text goes on here.
    Other,
}

/// Keeps the characters that no way of quoting adds, replaces or drops.
pub(super) fn classify_text(symbol: &Symbol) -> Class {
    match symbol.byte {
        b'\\' | b'\'' | b'"' | b'+' | b'%' | b'&' => Class::Skipped,
        byte if byte.is_ascii_graphic() => Class::Kept(byte),
        byte if byte.is_ascii_whitespace() => Class::Space,
        // The bytes of a character outside ASCII, and control characters.
        _ => Class::Skipped,
    }
}
