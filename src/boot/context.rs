//! Makes what actions need.

use std::{
    sync::{Arc, Mutex},
    time::Duration,
};

use anyhow::Context as _;
use rand::{TryRng, rngs::SysRng};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use super::lifecycle::Lifecycle;
use crate::{
    actions::{
        Context,
        alarm::Alarm,
        lanes::{Exit, Lanes},
        messages::{send, writer::Sending},
        receipts::writer::{self as moves, Marking},
        writer::{Work, Writer},
    },
    auth::{
        links::Links,
        password::Passwords,
        token::{TokenSettings, Tokens},
    },
    config::{rulebook::Rulebook, settings::Settings},
    domain::clock::Clock,
    media::{Media, staging::Room, vault::Vault, web::Web},
    store::{reads::Reads, secrets},
};

/// Writers of messages, each with a connection of its own.
const WRITERS: usize = 2;
/// Writers of cursors.
const CURSOR_WRITERS: usize = 1;
/// How the writers' statements are planned: once, for planning costs more than to find all by its key; and by index, whatever
/// the tables' sizes were then. Else a plan that suits an empty table, kept until statistics are next gathered, reads all of
/// a table that has grown meanwhile.
const WRITERS_PLANS: [(&str, &str); 5] = [
    ("plan_cache_mode", "force_generic_plan"),
    ("enable_seqscan", "off"),
    ("enable_bitmapscan", "off"),
    ("enable_hashjoin", "off"),
    ("enable_mergejoin", "off"),
];
/// Passwords hashed at once, and as many verified: each takes a core for tens of milliseconds.
const PASSWORDS_AT_ONCE: usize = 1;
/// Passwords that may wait to be hashed, and as many to be verified.
const PASSWORDS_WAITING: usize = 256;
/// Files of the greatest size for which there is room while they come in.
const FILES_COMING_IN: u64 = 64;
/// The name of the secret that signs access tokens.
const SIGNING_SECRET: &str = "jwt";
/// Bytes of that secret.
const SECRET_BYTES: usize = 32;

/// Makes the context, and starts its writers; they end once they are idle after `ends` says so.
pub async fn make(
    settings: Settings,
    clock: Clock,
    db: PgPool,
    ends: (&Lifecycle, &CancellationToken),
) -> anyhow::Result<Arc<Context>> {
    let secret = signing_secret(&settings, &db).await?;
    let links = Links::new(&secret);
    let media = open_media(&settings)?;
    let web = settings.link_previews.then(|| Web::open(settings.link_preview_networks.clone())).transpose()?;
    let tokens = Tokens::new(TokenSettings {
        secret,
        audience: settings.token_audience.clone(),
        lifetime: Duration::from_secs(settings.access_token_seconds),
        jwks_url: settings.jwks_url.clone(),
    })?;
    let rulebook = Rulebook::open(settings.policy_file.as_deref())?;
    let cluster = super::cluster::make(&settings, &clock, &db, ends).await?;
    let (sends, send_lanes) = Lanes::new(WRITERS, send::WAITING);
    let (moves, move_lanes) = Lanes::new(CURSOR_WRITERS, moves::WAITING);
    let passwords = Passwords::new(PASSWORDS_AT_ONCE, PASSWORDS_WAITING);
    let (expiry, plans, visits) = (Alarm::new(&clock), Alarm::new(&clock), Alarm::new(&clock));
    let reads = Reads::new(db.connect_options().as_ref().clone(), settings.reads_of_a_thread() as usize);
    let pools = Arc::new(Mutex::new(vec![(db.clone(), reads.clone())]));
    let ctx = Arc::new(Context {
        db,
        pools,
        reads,
        clock,
        settings: Arc::new(settings),
        rulebook: Arc::new(rulebook),
        cluster: Arc::new(cluster),
        passwords,
        tokens: Arc::new(tokens),
        links,
        media: Arc::new(media),
        web: web.map(Arc::new),
        sends: Arc::new(sends),
        moves: Arc::new(moves),
        expiry: Arc::new(expiry),
        turns: Arc::default(),
        plans: Arc::new(plans),
        visits: Arc::new(visits),
    });
    start_writers(&ctx, || Sending, send_lanes, ends);
    start_writers(&ctx, || Marking, move_lanes, ends);
    Ok(ctx)
}

fn start_writers<W: Work + 'static>(
    ctx: &Arc<Context>,
    work: impl Fn() -> W,
    lanes: Vec<Exit<W::Item>>,
    (lifecycle, idle): (&Lifecycle, &CancellationToken),
) {
    let options = ctx.db.connect_options().as_ref().clone().options(WRITERS_PLANS);
    for lane in lanes {
        let writer = Writer::new(work(), options.clone());
        let (ctx, idle) = (Arc::clone(ctx), idle.clone());
        lifecycle.spawn(async move { writer.run(&ctx, lane, idle).await });
    }
}

/// The store of files that the settings name, or a directory beside the server's other files.
fn open_media(settings: &Settings) -> anyhow::Result<Media> {
    let vault = match &settings.storage_url {
        Some(url) => Vault::open(url.reveal())?,
        None => Vault::in_directory(&settings.data_dir.join("files"))?,
    };
    let room = Room::new(FILES_COMING_IN * settings.attachment_bytes);
    Ok(Media::new(vault, settings.data_dir.join("incoming"), room, &settings.program))
}

/// The secret of the settings, or the one that all nodes find in the database.
async fn signing_secret(settings: &Settings, db: &PgPool) -> anyhow::Result<Vec<u8>> {
    if let Some(secret) = &settings.jwt_secret {
        return Ok(secret.reveal().as_bytes().to_vec());
    }
    let mut candidate = [0; SECRET_BYTES];
    SysRng.try_fill_bytes(&mut candidate).context("the system gives no random bytes")?;
    secrets::get_or_create(db, SIGNING_SECRET, &candidate).await.context("cannot read the signing secret")
}
