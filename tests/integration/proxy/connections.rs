//! Connections to upstreams: kept and used again, and never with what belongs to somebody else.
