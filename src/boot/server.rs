//! A server: everything made in order, and taken down in the opposite one.

use std::{
    io,
    net::{SocketAddr, TcpListener},
    time::Duration,
};

use actix_cors::Cors;
use actix_http::HttpService;
use actix_server::{Server as Doors, ServerHandle};
use actix_service::{ServiceFactoryExt, fn_service, map_config};
use actix_web::{
    App,
    dev::AppConfig,
    middleware::from_fn,
    rt::{self, net::TcpStream},
    web,
};
use anyhow::Context as _;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;
use tracing::{info, warn};
use utoipa_actix_web::AppExt;

use super::{context, database::Database, lifecycle::Lifecycle, reload};
use crate::{
    actions::{Context, presence},
    config::settings::Settings,
    domain::clock::Clock,
    http::{
        self,
        intake::Connection,
        unrouted::{self, KnownPaths},
    },
    realtime::{
        self,
        hub::Hub,
        origin::AllowedOrigins,
        pump,
        websocket::{self, HangUp},
    },
    telemetry::metrics,
    workers,
};

/// How long a connection may rest between two requests: longer than the 60 s after which the usual balancers give up one that
/// rests, since a request on a connection that is being closed fails, and who sent it can't tell whether it was heeded.
const KEEP_ALIVE: Duration = Duration::from_secs(75);
/// How long a connection may take to send a request's head.
const HEAD_PATIENCE: Duration = Duration::from_secs(10);
/// Threads of each worker for what would hold it up: files, for a disk does little at once, and each thread takes memory.
const BLOCKING_THREADS: usize = 4;
/// How long a peer may take to hang up after our last word.
const GOODBYE_PATIENCE: Duration = Duration::from_secs(1);
/// How long a peer may leave what we write unread before its connection is cut.
const DEAF_PATIENCE: Duration = Duration::from_secs(30);
/// Connections that may wait to be accepted.
const BACKLOG: u32 = 4096;
/// Headers of answers that scripts of other sites may read, besides those of uploads.
const EXPOSED: [&str; 5] = ["X-Request-Id", "Retry-After", "RateLimit-Limit", "RateLimit-Remaining", "RateLimit-Reset"];
/// Over how long the sockets of a leaving node are told to come back.
const RETURN_SPREAD: Duration = Duration::from_secs(5);

/// A running server.
pub struct Server {
    address: SocketAddr,
    http: Doors,
    ctx: web::Data<Context>,
    database: Database,
    lifecycle: Lifecycle,
    patience: Duration,
    /// Ends what serves the doors, once these are closed.
    idle: CancellationToken,
}

impl Server {
    /// Starts a server that lives as long as its lifecycle.
    pub async fn start(settings: Settings, clock: Clock, lifecycle: Lifecycle) -> anyhow::Result<Self> {
        let listener = TcpListener::bind(settings.listen)
            .with_context(|| format!("cannot listen on {}; is another server running there?", settings.listen))?;
        let address = listener.local_addr().context("cannot tell the address that is listened on")?;
        let database = Database::open(&settings).await?;
        let idle = CancellationToken::new();
        match Self::assemble(settings, clock, &database, (&lifecycle, &idle), listener).await {
            Ok((http, ctx)) => {
                info!(server.address = %address, "Listening on http://{address}");
                let patience = ctx.settings.shutdown_patience();
                Ok(Self { address, http, ctx, database, lifecycle, patience, idle })
            }
            Err(error) => {
                idle.cancel();
                database.close(Duration::ZERO).await;
                Err(error)
            }
        }
    }

    /// Where it listens; the port too where the settings left it to the system.
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Serves until asked to stop, and finishes what has begun.
    pub async fn run(self) {
        let handle = self.http.handle();
        let serving = tokio::spawn(self.http);
        self.lifecycle.draining().cancelled().await;
        stop_doors(&handle, serving, self.lifecycle.hurrying()).await;
        let signing_off = presence::sign_off(&self.ctx);
        if let Some(Err(error)) = self.lifecycle.hurrying().run_until_cancelled(signing_off).await {
            warn!(%error, "When people were last seen could not be kept: {error}");
        }
        self.idle.cancel();
        if !self.lifecycle.drained(self.patience).await {
            warn!("Not everything that had begun was finished.");
        }
        drop(self.ctx);
        let patience = if self.lifecycle.hurrying().is_cancelled() { Duration::ZERO } else { self.patience };
        self.database.close(patience).await;
    }

    async fn assemble(
        settings: Settings,
        clock: Clock,
        database: &Database,
        ends: (&Lifecycle, &CancellationToken),
        listener: TcpListener,
    ) -> anyhow::Result<(Doors, web::Data<Context>)> {
        let (lifecycle, idle) = ends;
        let ctx = context::make(settings, clock, database.pool().clone(), (lifecycle, idle)).await?;
        lifecycle.spawn(metrics::keep_up(idle.clone()));
        reload::obey_hangups(&ctx, lifecycle, idle).context("cannot listen for signals")?;
        workers::start(&ctx, idle, |task| lifecycle.spawn(task));
        let ctx = web::Data::from(ctx);
        let http = serve(&ctx, listener, lifecycle.draining())?;
        Ok((http, ctx))
    }
}

/// The doors: REST and sockets, on as many threads as the settings say.
fn serve(ctx: &web::Data<Context>, listener: TcpListener, draining: &CancellationToken) -> anyhow::Result<Doors> {
    let settings = &ctx.settings;
    let (workers, patience) = (settings.workers, settings.shutdown_patience());
    let origins = AllowedOrigins::new(&settings.allowed_origins);
    let (ctx, draining) = (ctx.clone(), draining.clone());
    let server = Doors::build()
        .workers(workers)
        .worker_max_blocking_threads(BLOCKING_THREADS)
        .backlog(BACKLOG)
        .shutdown_timeout(patience.as_secs())
        .disable_signals();
    let stopping = server.graceful_shutdown_signal();
    let app = move || {
        let ctx = web::Data::new(ctx.for_this_thread());
        let hub = open_hub(&ctx, &draining);
        let (app, document) = App::new()
            .app_data(ctx)
            .app_data(hub)
            .app_data(web::Data::new(origins.clone()))
            .app_data(http::extract::forms())
            // Before the routes of REST, whose scope would claim its path.
            .configure(realtime::routes)
            .into_utoipa_app()
            .configure(http::routes)
            .split_for_parts();
        app.service(http::docs::browser())
            .service(web::redirect("/docs", "/docs/"))
            .app_data(web::Data::new(KnownPaths::of(&document).and_get(realtime::PATH)))
            .default_service(web::to(unrouted::refuse))
            .wrap(cors(&origins))
            .wrap(from_fn(http::middleware::observe))
    };
    // As `HttpServer` does it, which can't be told how much it reads of a connection.
    let serving = move || {
        let stopping = stopping.clone();
        let http = HttpService::build()
            .graceful_shutdown_signal(move || {
                let stopping = stopping.clone();
                async move { stopping.notified().await }
            })
            .keep_alive(KEEP_ALIVE)
            .client_request_timeout(HEAD_PATIENCE)
            .client_disconnect_timeout(GOODBYE_PATIENCE)
            .on_connect_ext(|connection: &Connection, known| {
                websocket::cut_when_deaf(connection.stream(), DEAF_PATIENCE);
                let intake = connection.intake();
                known.insert(intake.clone());
                known.insert(HangUp::by(move || intake.end()));
            })
            .h1(map_config(app(), |()| AppConfig::default()));
        fn_service(async |stream: TcpStream| {
            stream.set_nodelay(true).ok();
            let peer = stream.peer_addr().ok();
            Ok((Connection::new(stream), peer))
        })
        .and_then(http)
    };
    Ok(server.listen("doors", listener, serving).context("cannot serve")?.run())
}

/// The hub of one worker thread, and the task that feeds it.
fn open_hub(ctx: &web::Data<Context>, draining: &CancellationToken) -> Hub {
    let (tracking, untracking) = (ctx.cluster.bus.clone(), ctx.cluster.bus.clone());
    let track = move |id, head_seq| tracking.track(id, head_seq);
    let hub = Hub::new(track, move |id| untracking.untrack(id));
    let (pumped, settings, clock) = (hub.clone(), ctx.settings.clone(), ctx.clock.clone());
    let deliveries = ctx.cluster.bus.listen();
    rt::spawn(async move { pump::run(pumped, deliveries, &settings, clock).await });
    let (leaving, draining) = (hub.clone(), draining.clone());
    rt::spawn(async move {
        draining.cancelled().await;
        leaving.send_away(RETURN_SPREAD);
    });
    hub
}

fn cors(origins: &AllowedOrigins) -> Cors {
    let origins = origins.clone();
    Cors::default()
        .allowed_origin_fn(move |_, head| origins.check(head.headers()).is_ok())
        .allow_any_method()
        .allow_any_header()
        .expose_headers(EXPOSED.into_iter().chain(http::uploads::protocol::HEADERS))
        .block_on_origin_mismatch(false)
        .max_age(3600)
}

/// Closes the doors: in good order, or at once where that is wanted meanwhile.
async fn stop_doors(handle: &ServerHandle, mut serving: JoinHandle<io::Result<()>>, hurrying: &CancellationToken) {
    // What it answers is not waited for: once serving has ended, nobody may be left to answer.
    drop(handle.stop(true));
    let ended = tokio::select! {
        ended = &mut serving => ended,
        () = hurrying.cancelled() => {
            // A second order would only be read once the first is carried out.
            serving.abort();
            serving.await
        }
    };
    if let Ok(Err(error)) = ended {
        warn!(%error, "The doors did not close well: {error}");
    }
}
