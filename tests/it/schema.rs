//! The schema as PostgreSQL's catalogue has it: ready to grow past one machine, and explained.

use sqlx::PgConnection;

use crate::harness::server::TestServer;

/// The tables of the family that is led by the conversation; all others are led by the user, or the server's own.
const CONVERSATION_FAMILY: &str = "select table_name::text
    from information_schema.columns
    where table_schema = 'public' and column_name = 'conversation_id'
      and table_name not in ('personal_changes', 'direct_pairs', 'scheduled_messages', 'uploads', 'reports', 'audit_log')
    union
    select 'conversations'";

async fn asks(db: &mut PgConnection, question: &str) -> Vec<String> {
    let question = question.replace("(family)", &format!("({CONVERSATION_FAMILY})"));
    sqlx::query_scalar(sqlx::AssertSqlSafe(question)).fetch_all(db).await.expect("the catalogue answers")
}

/// Asks for what breaks a rule, which must be nothing.
async fn nothing_breaks(rule: &str, question: &str) {
    let server = TestServer::start().await;
    let mut db = server.database.connect().await;

    let broken = asks(&mut db, question).await;

    assert!(broken.is_empty(), "{rule}: {}", broken.join(", "));
}

#[tokio::test]
async fn the_family_of_conversations_is_all_there() {
    let server = TestServer::start().await;
    let mut db = server.database.connect().await;

    let family = asks(&mut db, "select table_name from (family) family (table_name) order by table_name").await;

    insta::assert_snapshot!(family.join("\n"));
}

#[tokio::test]
async fn every_unique_index_of_a_conversations_table_is_led_by_the_conversation() {
    nothing_breaks(
        "conversation_id comes first in the primary key and in every unique index",
        "select index.indexrelid::regclass::text
         from pg_index index
         join pg_class class on class.oid = index.indrelid
         join pg_attribute first_column on first_column.attrelid = class.oid and first_column.attnum = index.indkey[0]
         where index.indisunique
           and class.relname in (family)
           and first_column.attname <> case class.relname when 'conversations' then 'id' else 'conversation_id' end",
    )
    .await;
}

#[tokio::test]
async fn every_table_has_a_primary_key() {
    nothing_breaks(
        "a table without a primary key cannot be spread or replicated",
        "select class.relname::text
         from pg_class class
         where class.relkind = 'r' and class.relnamespace = 'public'::regnamespace
           and class.relname <> '_sqlx_migrations'
           and not exists (select from pg_index index where index.indrelid = class.oid and index.indisprimary)",
    )
    .await;
}

#[tokio::test]
async fn no_foreign_key_leads_from_one_family_into_another() {
    nothing_breaks(
        "foreign keys stay within what shares conversation_id, or within the users' tables",
        "select foreign_key.conname::text
         from pg_constraint foreign_key
         join pg_class here on here.oid = foreign_key.conrelid
         join pg_class there on there.oid = foreign_key.confrelid
         where foreign_key.contype = 'f'
           and (here.relname in (family)) <> (there.relname in (family))",
    )
    .await;
}

#[tokio::test]
async fn foreign_keys_between_conversations_tables_carry_the_conversation() {
    nothing_breaks(
        "a foreign key within the family begins with conversation_id",
        "select foreign_key.conname::text
         from pg_constraint foreign_key
         join pg_class here on here.oid = foreign_key.conrelid
         join pg_attribute first_column
           on first_column.attrelid = here.oid and first_column.attnum = foreign_key.conkey[1]
         where foreign_key.contype = 'f' and here.relname in (family)
           and first_column.attname <> 'conversation_id'",
    )
    .await;
}

#[tokio::test]
async fn every_foreign_key_is_indexed() {
    nothing_breaks(
        "without an index a deletion reads the whole table",
        "select foreign_key.conname::text
         from pg_constraint foreign_key
         where foreign_key.contype = 'f'
           and not exists (
               select from pg_index index
               where index.indrelid = foreign_key.conrelid
                 and index.indpred is null
                 and (select array_agg(column_number order by column_number)
                      from unnest((index.indkey::int2[])[0:cardinality(foreign_key.conkey) - 1]) column_number)
                   = (select array_agg(column_number order by column_number)
                      from unnest(foreign_key.conkey) column_number))",
    )
    .await;
}

#[tokio::test]
async fn nothing_happens_behind_the_back_of_a_send() {
    nothing_breaks(
        "no triggers, no sequences, no rules",
        "select tgname::text from pg_trigger where not tgisinternal
         union all
         select relname::text from pg_class where relkind = 'S' and relnamespace = 'public'::regnamespace
         union all
         select rulename::text from pg_rules where schemaname = 'public'",
    )
    .await;
}

#[tokio::test]
async fn every_table_and_view_says_what_a_row_is() {
    nothing_breaks(
        "a comment is missing",
        "select class.relname::text
         from pg_class class
         where class.relkind in ('r', 'v') and class.relnamespace = 'public'::regnamespace
           and class.relname <> '_sqlx_migrations' and class.relname not like 'pg_stat%'
           and coalesce(obj_description(class.oid, 'pg_class'), '') not ilike '%row%'",
    )
    .await;
}

#[tokio::test]
async fn constraints_and_indexes_are_named_after_their_tables() {
    nothing_breaks(
        "names say whose they are, and of which kind",
        "select conname::text
         from pg_constraint
         join pg_class class on class.oid = conrelid
         where class.relnamespace = 'public'::regnamespace and class.relname <> '_sqlx_migrations'
           and contype <> 'n'
           and (conname not like class.relname || '\\_%'
                or conname not like case contype when 'p' then '%\\_pkey' when 'f' then '%\\_fkey'
                                                 when 'c' then '%\\_check' when 'u' then '%\\_key' end)",
    )
    .await;
}

#[tokio::test]
async fn moments_carry_their_zone_and_text_has_no_other_type() {
    nothing_breaks(
        "`timestamptz` and `text`",
        "select table_name || '.' || column_name
         from information_schema.columns
         where table_schema = 'public' and table_name <> '_sqlx_migrations' and table_name not like 'pg_stat%'
           and data_type in ('timestamp without time zone', 'character varying', 'character', 'money', 'json')",
    )
    .await;
}

#[tokio::test]
async fn what_a_send_moves_is_in_no_index() {
    nothing_breaks(
        "a send must stay a HOT update of its conversation's row",
        "select index.indexrelid::regclass::text
         from pg_index index
         join pg_class class on class.oid = index.indrelid
         join pg_attribute moved on moved.attrelid = class.oid and moved.attnum = any (index.indkey::int2[])
         where class.relname = 'conversations' and moved.attname in ('head_seq', 'message_no', 'active_at')",
    )
    .await;
}
