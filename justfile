# What a developer types; `just --list` shows it.

# All tests of the workspace.
test:
    cargo test --workspace

# Formatting, lints and documentation, as strict as CI.
lint:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    RUSTDOCFLAGS="-D warnings" cargo doc --workspace --no-deps

# Benchmarks.
bench:
    cargo bench

# The tables of docs/PERFORMANCE.md.
performance:
    cargo bench --bench figures

# That the fuzz targets compile; `fuzz/README.md` says how to run them.
fuzz-check:
    cargo check --manifest-path fuzz/Cargo.toml

# Recorded answers of Oathkeeper; `just conformance errors-` asks only rows whose name contains that.
conformance ONLY="":
    cargo test --test conformance -- '{{ONLY}}'

# Installs the gateways into .gateways/ and the system, and tests the examples behind them; an OpenID provider, too.
gateways:
    bash .ci/gateways
    OKGATE_REQUIRE_GATEWAYS=1 cargo test --test gateways --test oidc

# Everything that CI runs.
ci:
    bash .ci/run

# Licences and sources of the dependencies; needs cargo-deny.
deny:
    cargo deny check licenses bans sources
