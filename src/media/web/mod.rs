//! Pages of others: what they say of themselves. Links come from anybody, so nothing that they lead to is trusted: no
//! address inside (at no hop, whatever a name resolves to), no size, no type, and no promise to end.

mod guard;
mod page;

use std::{net::IpAddr, sync::Arc, time::Duration};

use anyhow::{Context as _, bail, ensure};
use ipnet::IpNet;
use reqwest::{Client, Response, Url, header, redirect};
use tokio::{task, time::timeout};

use self::guard::{Guard, Resolver};
use crate::domain::link::LinkPreview;

/// How long a page may take, with all of its redirects.
const PATIENCE: Duration = Duration::from_secs(5);
/// How often a page may send us elsewhere.
const REDIRECTS: usize = 3;
/// Bytes that are read of a page; what it says of itself stands at its beginning.
const BYTES: usize = 512 * 1024;
/// Where pages are on the Internet.
const PORTS: [u16; 2] = [80, 443];
/// What we say we are.
const USER_AGENT: &str = concat!("Colloquy/", env!("CARGO_PKG_VERSION"), " (link preview)");

/// Looks at pages.
#[derive(Debug)]
pub struct Web {
    /// Reaches what is public, and the networks of one's own.
    anywhere: (Guard, Client),
    /// Reaches these networks alone, at any port.
    inside: (Guard, Client),
}

impl Web {
    /// Makes ready to look at what is public, and at any port inside these networks.
    pub fn open(networks: Vec<IpNet>) -> anyhow::Result<Self> {
        Self::resolving(networks, &guard::system())
    }

    fn resolving(networks: Vec<IpNet>, resolver: &Resolver) -> anyhow::Result<Self> {
        let networks: Arc<[IpNet]> = networks.into();
        let reaching = |with_public| {
            let guard = Guard::new(Arc::clone(&networks), with_public, Arc::clone(resolver));
            Ok::<_, anyhow::Error>((guard.clone(), client(guard)?))
        };
        Ok(Self { anywhere: reaching(true)?, inside: reaching(false)? })
    }

    /// What the page behind a link says of itself, if there is one that we may look at and that says anything.
    pub async fn preview(&self, link: &str) -> Option<LinkPreview> {
        let looking = timeout(PATIENCE, self.look(link));
        let looked = looking.await.unwrap_or_else(|_| bail!("it takes too long"));
        // The link is somebody's words, and no business of the log.
        looked.inspect_err(|error| tracing::debug!(%error, "A link has no preview: {error:#}")).ok().flatten()
    }

    async fn look(&self, link: &str) -> anyhow::Result<Option<LinkPreview>> {
        let (url, mut response) = self.follow(link.parse()?).await?;
        let content_type = response.headers().get(header::CONTENT_TYPE).and_then(|value| value.to_str().ok());
        let content_type = content_type.unwrap_or_default().to_owned();
        let (essence, _) = content_type.split_once(';').unwrap_or((&content_type, ""));
        ensure!(essence.trim().eq_ignore_ascii_case("text/html"), "it is no page");
        let is_packed = response.headers().get(header::CONTENT_ENCODING).is_some_and(|coding| coding != "identity");
        ensure!(!is_packed, "it is packed, though nobody asked for that");
        let mut bytes = Vec::new();
        while bytes.len() < BYTES
            && let Some(chunk) = response.chunk().await.map_err(reqwest::Error::without_url)?
        {
            bytes.extend_from_slice(&chunk[..chunk.len().min(BYTES - bytes.len())]);
        }
        let reading = task::spawn_blocking(move || page::read(&bytes, &content_type, &url));
        let said = reading.await.context("reading a page was cut short")?;
        Ok(said.map(|said| LinkPreview { url: link.to_owned(), ..said }))
    }

    /// Asks for a page, and for what it says is the page instead.
    async fn follow(&self, mut url: Url) -> anyhow::Result<(Url, Response)> {
        for _ in 0..=REDIRECTS {
            let client = self.client_for(&url)?;
            let response = client.get(url.clone()).send().await.map_err(reqwest::Error::without_url)?;
            if response.status().is_success() {
                return Ok((url, response));
            }
            ensure!(response.status().is_redirection(), "it answers {}", response.status());
            let place = response.headers().get(header::LOCATION).context("it leads nowhere")?;
            url = url.join(place.to_str()?)?;
        }
        bail!("it leads from page to page")
    }

    /// Who may ask for this; the addresses of names are looked at when they are resolved to be connected to.
    fn client_for(&self, url: &Url) -> anyhow::Result<&Client> {
        ensure!(matches!(url.scheme(), "http" | "https"), "it is not on the web");
        ensure!(url.username().is_empty() && url.password().is_none(), "it carries credentials");
        let host = url.host_str().context("it names no host")?;
        let is_usual = url.port_or_known_default().is_some_and(|port| PORTS.contains(&port));
        let (guard, client) = if is_usual { &self.anywhere } else { &self.inside };
        if let Ok(address) = host.trim_matches(['[', ']']).parse::<IpAddr>() {
            ensure!(guard.admits(address), "it is at an address that is not looked at");
        }
        Ok(client)
    }
}

/// A client that connects to nothing that its guard does not admit, and keeps nothing for the next time.
fn client(guard: Guard) -> anyhow::Result<Client> {
    let headers = [(header::ACCEPT, "text/html"), (header::ACCEPT_ENCODING, "identity")];
    let headers = headers.map(|(name, value)| (name, header::HeaderValue::from_static(value)));
    let client = Client::builder()
        .user_agent(USER_AGENT)
        .default_headers(headers.into_iter().collect())
        .dns_resolver(guard)
        .no_proxy()
        .redirect(redirect::Policy::none())
        .referer(false)
        .pool_max_idle_per_host(0);
    client.build().context("cannot look at pages")
}

#[cfg(test)]
mod tests {
    use std::{
        net::SocketAddr,
        sync::atomic::{AtomicUsize, Ordering},
    };

    use tokio::{
        io::{AsyncReadExt, AsyncWriteExt},
        net::TcpListener,
    };

    use super::*;

    const PAGE: &str = "<title>Inside</title>";

    /// Serves the page to everybody who comes, and counts them.
    async fn serve(listener: TcpListener, visitors: Arc<AtomicUsize>) {
        loop {
            let (mut stream, _) = listener.accept().await.unwrap();
            visitors.fetch_add(1, Ordering::Relaxed);
            let head = format!("HTTP/1.1 200 OK\r\ncontent-type: text/html\r\ncontent-length: {}\r\n\r\n", PAGE.len());
            let _ = stream.read(&mut [0; 1024]).await.unwrap();
            stream.write_all(format!("{head}{PAGE}").as_bytes()).await.unwrap();
        }
    }

    /// A resolver that answers every question with the next of these addresses.
    fn answering(answers: &'static [&'static str], asked: Arc<AtomicUsize>) -> Resolver {
        Arc::new(move |_| {
            let answer = answers[asked.fetch_add(1, Ordering::Relaxed) % answers.len()];
            let addresses = answer.split(' ').map(|address| SocketAddr::new(address.parse().unwrap(), 0));
            Box::pin(std::future::ready(Ok(addresses.collect())))
        })
    }

    #[tokio::test]
    async fn a_name_is_resolved_once_and_what_was_looked_at_is_what_is_connected_to() {
        let (good, bad) = (TcpListener::bind("127.0.0.2:0").await.unwrap(), Arc::<AtomicUsize>::default());
        let port = good.local_addr().unwrap().port();
        let inner = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let visitors = Arc::<AtomicUsize>::default();
        tokio::spawn(serve(good, Arc::clone(&visitors)));
        tokio::spawn(serve(inner, Arc::clone(&bad)));
        let asked = Arc::<AtomicUsize>::default();
        let networks = vec!["127.0.0.2/32".parse().unwrap()];
        // First it is an address that is looked at, then another.
        let rebinding = answering(&["127.0.0.2", "127.0.0.1", "127.0.0.1 ::1", "::ffff:127.0.0.2"], Arc::clone(&asked));
        let web = Web::resolving(networks, &rebinding).unwrap();
        let link = format!("http://rebinding.example:{port}/");

        let said = web.preview(&link).await;
        assert_eq!(said.and_then(|said| said.title).as_deref(), Some("Inside"));
        assert_eq!(asked.load(Ordering::Relaxed), 1, "nobody asks again between the look and the connection");
        for _ in 0..3 {
            assert_eq!(web.preview(&link).await, None);
        }

        assert_eq!((visitors.load(Ordering::Relaxed), bad.load(Ordering::Relaxed)), (1, 0));
    }

    #[tokio::test]
    async fn of_several_addresses_only_those_that_are_looked_at_are_connected_to() {
        let good = TcpListener::bind("127.0.0.2:0").await.unwrap();
        let port = good.local_addr().unwrap().port();
        let inner = TcpListener::bind(("127.0.0.1", port)).await.unwrap();
        let (visitors, bad) = (Arc::<AtomicUsize>::default(), Arc::<AtomicUsize>::default());
        tokio::spawn(serve(good, Arc::clone(&visitors)));
        tokio::spawn(serve(inner, Arc::clone(&bad)));
        let both = answering(&["127.0.0.1 127.0.0.2"], Arc::default());
        let web = Web::resolving(vec!["127.0.0.2/32".parse().unwrap()], &both).unwrap();

        assert!(web.preview(&format!("http://both.example:{port}/")).await.is_some());

        assert_eq!((visitors.load(Ordering::Relaxed), bad.load(Ordering::Relaxed)), (1, 0));
    }

    #[test]
    fn a_link_is_refused_before_anybody_is_asked() {
        let web = Web::open(vec!["10.1.0.0/16".parse().unwrap()]).unwrap();
        let is_refused = |link: &str| web.client_for(&link.parse().unwrap()).is_err();

        for link in [
            "ftp://example.com/",
            "https://ada@example.com/",
            "https://ada:secret@example.com/",
            "http://127.0.0.1/",
            "http://2130706433/",
            "http://0x7f.1/",
            "http://0177.0.0.1/",
            "http://[::1]/",
            "http://[::ffff:127.0.0.1]/",
            "http://[64:ff9b::7f00:1]/",
            "http://169.254.169.254/latest/meta-data/",
            "http://10.2.0.1/",
            "http://8.8.8.8:22/",
            "http://[::ffff:10.1.0.1]/",
        ] {
            assert!(is_refused(link), "{link}");
        }
        for link in ["http://example.com/", "https://8.8.8.8/", "http://10.1.0.1:8080/", "http://intern.example:8080/"]
        {
            assert!(!is_refused(link), "{link}");
        }
    }
}
