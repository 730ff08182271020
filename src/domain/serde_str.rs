//! Serde for types with one spelling: they are written with `Display` and read with `FromStr`,
//! without an intermediate copy.
//!
//! Most values in an entry are of this kind, so this dominates the cost of reading a ledger.

use std::fmt::{self, Display};
use std::marker::PhantomData;
use std::str::FromStr;

use serde::Deserializer;
use serde::de::{Error, Visitor};

/// Parses the string that the deserializer visits.
struct FromStrVisitor<T>(PhantomData<T>);

impl<T: FromStr<Err: Display>> Visitor<'_> for FromStrVisitor<T> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a string")
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<T, E> {
        text.parse().map_err(E::custom)
    }
}

/// Reads a value from a string with its `FromStr`.
pub(super) fn deserialize<'de, T: FromStr<Err: Display>, D: Deserializer<'de>>(
    deserializer: D,
) -> Result<T, D::Error> {
    deserializer.deserialize_str(FromStrVisitor(PhantomData))
}

/// Implements `Serialize` and `Deserialize` for types that implement `Display` and `FromStr`.
macro_rules! impl_serde_str {
    ($($type:ty),+) => {
        $(
            impl serde::Serialize for $type {
                fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                    serializer.collect_str(self)
                }
            }

            impl<'de> serde::Deserialize<'de> for $type {
                fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                    crate::domain::serde_str::deserialize(deserializer)
                }
            }
        )+
    };
}

pub(super) use impl_serde_str;
