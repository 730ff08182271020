//! The enum `Rule`, made from the list of rules in `rules/mod.rs`.

macro_rules! define_enum {
    ($($variant:ident => $file:ident,)+) => {
        /// A rule. Its order is the order in which a verdict lists the answers.
        ///
        /// Each variant is defined in a file of its own under `domain/rules/`, named after the
        /// rule.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum Rule {
            $(
                #[doc = concat!("Defined in `domain/rules/", stringify!($file), ".rs`.")]
                $variant,
            )+
        }

        impl Rule {
            /// All rules, in order.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];
        }
    };
}

list_rules!(define_enum);
