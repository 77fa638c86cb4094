use std::marker::PhantomData;

use diesel::{
    QueryResult, RunQueryDsl,
    query_builder::{AstPass, Query, QueryFragment, QueryId},
    sql_types::{BigInt, Binary, Text},
    sqlite::Sqlite,
};

/// One parameter of a [`Statement`]. Arrays go as JSON text, and are taken apart by `json_each`.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Bind<'a> {
    Text(&'a str),
    Int(i64),
    Bytes(&'a [u8]),
}

/// SQL with `?` where the parameters go, and the types of its columns.
///
/// diesel's DSL has no `json_each`, and what `sql_query` prepares is thrown away after use. This is prepared once per
/// connection and kept, by its text.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Statement<'a, Columns = ()> {
    sql: &'a str,
    binds: &'a [Bind<'a>],
    columns: PhantomData<Columns>,
}

impl<'a, Columns> Statement<'a, Columns> {
    pub(crate) fn new(sql: &'a str, binds: &'a [Bind<'a>]) -> Self {
        Self { sql, binds, columns: PhantomData }
    }
}

impl<Columns> QueryFragment<Sqlite> for Statement<'_, Columns> {
    fn walk_ast<'b>(&'b self, mut out: AstPass<'_, 'b, Sqlite>) -> QueryResult<()> {
        let mut parts = self.sql.split('?');
        out.push_sql(parts.next().unwrap_or_default());
        for (part, bind) in parts.zip(self.binds) {
            match bind {
                Bind::Text(text) => out.push_bind_param::<Text, str>(text)?,
                Bind::Bytes(bytes) => out.push_bind_param::<Binary, [u8]>(bytes)?,
                Bind::Int(int) => out.push_bind_param::<BigInt, i64>(int)?,
            }
            out.push_sql(part);
        }
        Ok(())
    }
}

impl<Columns> QueryId for Statement<'_, Columns> {
    type QueryId = ();
    /// The text is the identity.
    const HAS_STATIC_QUERY_ID: bool = false;
}

impl<Columns> Query for Statement<'_, Columns> {
    type SqlType = Columns;
}

impl<Columns, Connection> RunQueryDsl<Connection> for Statement<'_, Columns> {}
