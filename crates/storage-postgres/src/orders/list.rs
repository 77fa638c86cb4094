//! Parts of the list of orders.

use cartwright_domain::{OrderPaging, OrderQuery, OrderStatus, OwnerId};
use cartwright_storage::{ListedOrders, StorageError};
use diesel::sql_types::BigInt;
use diesel_async::RunQueryDsl;
use futures_util::join;

use super::read::order;
use crate::{
    read::count,
    sql::{Bind, Built, OrderColumns, OrderRow, order_columns},
    store::PostgresStore,
};

impl PostgresStore {
    /// A text for each set of filters, so that each has a plan of its own. One round trip.
    pub(super) async fn orders_of(&self, query: &OrderQuery) -> Result<ListedOrders, StorageError> {
        let owner = query.owner.as_ref().map(OwnerId::as_str);
        let status = query.status.map(OrderStatus::name);
        let mut filters = vec!["true"];
        filters.extend(owner.map(|_| "owner = $1::text"));
        filters.extend(status.map(|_| "status = $2::text"));
        let counted = filters.join(" AND ");
        let (limit, offset, after) = match query.paging {
            OrderPaging::Page(page) => (page.size(), page.offset(), None),
            OrderPaging::After(after, size) => (size.get() + 1, 0, after),
        };
        if after.is_some() {
            filters.push("id < $5::text::uuid");
        }
        let sql = format!(
            concat!(
                "SELECT ",
                order_columns!(),
                " FROM (SELECT * FROM orders WHERE {} ORDER BY id DESC \
                 LIMIT $3::bigint OFFSET $4::bigint) o ORDER BY o.id DESC"
            ),
            filters.join(" AND ")
        );
        let mut binds =
            vec![Bind::Maybe(owner), Bind::Maybe(status), Bind::Int(limit.into()), Bind::Int(offset.into())];
        let after = after.map(|after| after.to_string());
        binds.extend(after.as_deref().map(Bind::Text));
        let statement = Built::<OrderColumns>::new(sql, binds);
        let total = matches!(query.paging, OrderPaging::Page(_)).then(|| {
            let sql = format!("SELECT count(*) FROM orders WHERE {counted}");
            Built::<BigInt>::new(sql, vec![Bind::Maybe(owner), Bind::Maybe(status)])
        });
        let (rows, total) = self
            .run(async |connection| {
                let pipe = &*connection;
                let counted = async {
                    match &total {
                        Some(total) => total.get_result::<i64>(&mut { pipe }).await.map(Some),
                        None => Ok(None),
                    }
                };
                let (rows, total) = join!(statement.load::<OrderRow>(&mut { pipe }), counted);
                Ok((rows?, total?))
            })
            .await?;
        let items = rows.into_iter().map(order).collect::<Result<Vec<_>, _>>()?;
        Ok(match query.paging {
            OrderPaging::After(_, size) => ListedOrders::after(items, size.get()),
            OrderPaging::Page(_) => ListedOrders { items, total: total.map(count).transpose()?, next: None },
        })
    }
}
