//! Arguments that choose the sections of a report as text.

use clap::{
    Args,
    builder::{PossibleValuesParser, TypedValueParser},
};

use crate::model::section::{Section, Sections};

/// Sections of a report.
#[derive(Args, Clone, Debug, Default)]
pub struct SectionArgs {
    /// Print every section of the text report, not only the first screen; JSON always has all
    #[arg(long, conflicts_with_all = ["sections", "audit_only"])]
    pub full: bool,

    /// Print only these sections of the text report, separated by commas
    #[arg(
        long = "section",
        value_name = "NAME",
        value_delimiter = ',',
        conflicts_with = "audit_only",
        value_parser = parser()
    )]
    pub sections: Vec<Section>,
}

impl SectionArgs {
    /// Returns the sections to print.
    #[must_use]
    pub fn wanted(&self) -> Sections {
        match (self.full, self.sections.is_empty()) {
            (true, _) => Sections::Full,
            (_, false) => Sections::Only(self.sections.clone()),
            (_, true) => Sections::Answer,
        }
    }
}

fn parser() -> impl TypedValueParser<Value = Section> {
    let names = Section::ALL.map(Section::name);
    PossibleValuesParser::new(names)
        .try_map(|name| Section::named(&name).ok_or("there is no such section"))
}
