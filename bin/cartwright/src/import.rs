//! Products from a file, as the server's import takes them, without a server.

use std::{io::IsTerminal, path::Path, process::ExitCode, time::Instant};

use anyhow::{Context, bail};
use cartwright_catalog::import::{Format, Import, ImportReport};
use cartwright_http::HttpSettings;
use tokio::io::AsyncReadExt;

use crate::{
    cli::{FileFormat, ImportOptions},
    config::Settings,
    out,
    progress::Progress,
    wiring::{AnyStore, settle, start_carts, start_catalog},
};

/// Bytes read at a time.
const PIECE: usize = 1 << 18;

/// Imports, and prints what became of the rows. The exit code is 1 when rows were rejected.
pub(crate) async fn run(settings: &Settings, options: &ImportOptions) -> anyhow::Result<ExitCode> {
    let format = options.format()?;
    let began = Instant::now();
    let store = AnyStore::open(settings).await?;
    store.prepare(&settings.database).await?;
    let started = start_carts(settings, &store).await?;
    // Through the service: servers that run learn of what changes.
    let catalog = start_catalog(settings, &store, &started).await?;
    let currency = HttpSettings::default().default_currency;
    let outcome = read(&options.file, catalog.begin_import(format, currency, options.dry_run)).await;
    settle(&catalog).await;
    started.carts.shutdown().await;
    let report = outcome?;
    print(&report, began);
    Ok(if report.rejected == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

async fn read(path: &Path, mut import: Import) -> anyhow::Result<ImportReport> {
    let unread = || format!("{} cannot be read", path.display());
    let (mut file, size): (Box<dyn tokio::io::AsyncRead + Unpin + Send>, u64) = if path == Path::new("-") {
        if std::io::stdin().is_terminal() {
            bail!("standard input is a terminal: name a file, or send one in");
        }
        (Box::new(tokio::io::stdin()), 0)
    } else {
        let file = tokio::fs::File::open(path).await.with_context(unread)?;
        let size = file.metadata().await.with_context(unread)?.len();
        (Box::new(file), size)
    };
    let progress = Progress::bytes("import", size);
    let mut piece = vec![0; PIECE];
    loop {
        let read = file.read(&mut piece).await.with_context(unread)?;
        if read == 0 {
            break;
        }
        import.push(piece.get(..read).unwrap_or_default()).await?;
        progress.add(read as u64);
    }
    progress.end();
    Ok(import.finish().await?)
}

fn print(report: &ImportReport, began: Instant) {
    for error in &report.errors {
        let fault = &error.fault;
        out::error(format_args!("line {}: {} {}: {}", error.line, fault.pointer, fault.code, fault.detail));
    }
    let ImportReport { rows, created, changed, unchanged, rejected, dry_run, .. } = report;
    let seconds = began.elapsed().as_secs_f64();
    let would = if *dry_run { "dry run, nothing written: " } else { "" };
    out::line(format_args!(
        "{would}{rows} rows: {created} created, {changed} changed, {unchanged} unchanged, {rejected} rejected, in \
         {seconds:.1} s"
    ));
}

impl ImportOptions {
    /// What the file is made of: as was said, or as its name says.
    fn format(&self) -> anyhow::Result<Format> {
        let ending = self.file.extension().and_then(|ending| ending.to_str()).unwrap_or_default();
        Ok(match (self.format, ending.to_ascii_lowercase().as_str()) {
            (Some(FileFormat::Csv), _) | (None, "csv") => Format::Csv,
            (Some(FileFormat::Ndjson), _) | (None, "ndjson" | "jsonl") => Format::Ndjson,
            (None, _) => bail!(
                "{}: its name does not say what it is made of; add --format csv or --format ndjson",
                self.file.display()
            ),
        })
    }
}
