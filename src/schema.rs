//! Schemas: every JSON Schema of `schemas/`, compiled once, and the whole configuration schema composed
//! from them and the registries.
