use std::path::PathBuf;

use clap::{Args, Parser};

/// A transactional shopping cart over HTTP.
#[derive(Debug, Parser)]
#[command(name = "cartwright", version)]
pub(crate) struct Cli {
    /// Configuration file, instead of cartwright.toml in the working folder
    #[arg(long, global = true, value_name = "FILE", env = "CARTWRIGHT_CONFIG")]
    pub(crate) config: Option<PathBuf>,
    #[command(subcommand)]
    pub(crate) command: Option<Subcommand>,
}

#[derive(Debug, clap::Subcommand)]
pub(crate) enum Subcommand {
    /// Run the server (when no subcommand is given)
    Serve,
    /// Work on background jobs, beside any number of others; `serve` does so by itself on SQLite
    Worker,
    /// Bring the database's schema up to date
    Migrate,
    /// Fill the database with made-up products, orders and carts, the same ones each time
    Seed(SeedOptions),
    /// Import products from a CSV or NDJSON file, as POST /api/v1/products/import does, and name every bad row
    Import(ImportOptions),
    /// Check configuration, database and Redis, and say how to mend what is wrong
    Doctor,
    /// Print the OpenAPI document
    Openapi,
    /// Make an access token for development, with auth.secret or a private key, as auth.mode = "jwt" takes it
    Token(TokenOptions),
    /// Measure cart reads with the cache on and off
    Load(LoadOptions),
    /// Measure the caches of a running server under product reads as a shop has them (Zipf)
    Zipf(ZipfOptions),
}

#[derive(Debug, Args)]
pub(crate) struct SeedOptions {
    /// Carts
    #[arg(long, default_value_t = 10_000, value_parser = clap::value_parser!(u32).range(0..=100_000_000))]
    pub(crate) users: u32,
    /// Lines in each cart
    #[arg(long, default_value_t = 5, value_parser = clap::value_parser!(u32).range(1..=500))]
    pub(crate) lines: u32,
    /// Products, at least as many as lines
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) products: u32,
    /// Past orders, for statistics and recommendations
    #[arg(long, default_value_t = 0, value_parser = clap::value_parser!(u32).range(0..=100_000_000))]
    pub(crate) orders: u32,
    /// Another number makes other products, orders and carts
    #[arg(long, default_value_t = 1)]
    pub(crate) seed: u64,
}

#[derive(Debug, Args)]
pub(crate) struct TokenOptions {
    /// The user; for a program, its name
    pub(crate) subject: String,
    /// What it may do beyond what is its own; may be given more than once
    #[arg(long, value_enum)]
    pub(crate) scope: Vec<Scope>,
    /// For how many minutes
    #[arg(long, default_value_t = 60, value_parser = clap::value_parser!(u32).range(1..=525_600))]
    pub(crate) minutes: u32,
    /// A private key in PEM, when not by auth.secret
    #[arg(long, value_name = "FILE")]
    pub(crate) key: Option<PathBuf>,
    /// The name of the key (`kid`)
    #[arg(long, requires = "key")]
    pub(crate) kid: Option<String>,
}

/// What a token may do beyond what is its own.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum Scope {
    /// Runs the shop
    Admin,
    /// A program that acts for users
    Service,
}

#[derive(Debug, Args)]
pub(crate) struct ImportOptions {
    /// The file; `-` for standard input
    pub(crate) file: PathBuf,
    /// What it is made of; not given: what its name ends with says so (.csv, .ndjson, .jsonl)
    #[arg(long)]
    pub(crate) format: Option<FileFormat>,
    /// Only say what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// What a file is made of.
#[derive(Debug, Clone, Copy, clap::ValueEnum)]
pub(crate) enum FileFormat {
    /// Comma-separated values; the first row names the columns
    Csv,
    /// One JSON object a line
    Ndjson,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct ZipfOptions {
    /// The server
    #[arg(long, value_name = "URL", default_value = "http://127.0.0.1:8000")]
    pub(crate) url: String,
    /// Products that are read, those of `cartwright seed`
    #[arg(long, default_value_t = 100_000, value_parser = clap::value_parser!(u32).range(1..=10_000_000))]
    pub(crate) products: u32,
    /// How uneven: the r-th product is asked for as often as 1/r to this power
    #[arg(long, default_value_t = 0.99)]
    pub(crate) exponent: f64,
    /// Seconds before it is measured, in which caches fill
    #[arg(long, value_name = "SECONDS", default_value_t = 30)]
    pub(crate) warm_up: u64,
    /// How long it is measured
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) connections: u32,
}

#[derive(Debug, Clone, Args)]
pub(crate) struct LoadOptions {
    /// A running server with its cache on, as in http://127.0.0.1:8000; not given: two servers are started on free
    /// ports with the present configuration, one with the cache on and one with it off
    #[arg(long, value_name = "URL", requires = "uncached_url")]
    pub(crate) cached_url: Option<String>,
    /// A running server with `cache.carts = "off"`, on the same data
    #[arg(long, value_name = "URL", requires = "cached_url")]
    pub(crate) uncached_url: Option<String>,
    /// Carts that are read, those of `cartwright seed`
    #[arg(long, default_value_t = 1_000, value_parser = clap::value_parser!(u32).range(1..))]
    pub(crate) users: u32,
    /// How long each of the two is measured
    #[arg(long, default_value_t = 10, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) seconds: u64,
    /// Connections, each with one request at a time
    #[arg(long, default_value_t = 32, value_parser = clap::value_parser!(u32).range(1..=10_000))]
    pub(crate) connections: u32,
}

impl LoadOptions {
    /// Whether the servers are somebody else's.
    pub(crate) fn is_remote(&self) -> bool {
        self.cached_url.is_some()
    }
}
