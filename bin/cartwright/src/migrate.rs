use crate::{config::Settings, out, wiring::AnyStore};

/// Brings the schema up to date, and says what that took.
pub(crate) async fn run(settings: &Settings) -> anyhow::Result<()> {
    let store = AnyStore::open(settings).await?;
    let pending = store.pending_migrations().await?;
    if pending.is_empty() {
        out::line(format_args!("{}: up to date, nothing pending", settings.database.url));
        return Ok(());
    }
    for name in &pending {
        out::line(format_args!("pending  {name}"));
    }
    // Another node may have been faster: what is listed is what was done here.
    for name in store.migrate().await? {
        out::line(format_args!("applied  {name}"));
    }
    Ok(())
}
