//! Why a rule does or does not match.
