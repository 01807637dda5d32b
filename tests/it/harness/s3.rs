//! An S3 of one's own: an implementation that checks signatures, on a directory.

use std::{net::SocketAddr, path::PathBuf, thread};

use hyper::{
    Request, Response, Uri,
    body::Incoming,
    header::{CONTENT_DISPOSITION, CONTENT_TYPE, HeaderName, HeaderValue},
    server::conn::http1,
    service::{Service, service_fn},
};
use hyper_util::rt::TokioIo;
use reqwest::Url;
use s3s::{Body, HttpError, auth::SimpleAuth, service::S3ServiceBuilder};
use s3s_fs::FileSystem;
use tempfile::TempDir;
use tokio::{net::TcpListener, sync::oneshot};

const BUCKET: &str = "files";
const KEY: (&str, &str) = ("tests", "not a secret");

/// A running S3, which goes away with this.
pub struct S3 {
    address: SocketAddr,
    directory: TempDir,
    _alive: oneshot::Sender<()>,
}

impl S3 {
    /// Starts one with an empty bucket.
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().expect("the test's directory is made");
        std::fs::create_dir(directory.path().join(BUCKET)).expect("a bucket is a directory");
        let files = FileSystem::new(directory.path()).expect("the directory is there");
        let ((starting, started), (alive, ended)) = (oneshot::channel(), oneshot::channel());
        // A thread of its own: the test's may wait for a server that waits for this.
        thread::spawn(move || serve(files, starting, ended));
        Self { address: started.await.expect("it starts"), directory, _alive: alive }
    }

    /// As which a server is told of it.
    pub fn url(&self) -> String {
        let (id, secret) = KEY;
        let mut url = Url::parse(&format!("s3://{BUCKET}/")).expect("it is a URL");
        url.query_pairs_mut()
            .append_pair("endpoint", &format!("http://{}", self.address))
            .append_pair("allow_http", "true")
            .append_pair("region", "us-east-1")
            .append_pair("access_key_id", id)
            .append_pair("secret_access_key", secret);
        url.into()
    }

    /// Where the objects are, each in a file.
    pub fn objects(&self) -> PathBuf {
        self.directory.path().join(BUCKET)
    }
}

#[tokio::main(flavor = "current_thread")]
async fn serve(files: FileSystem, starting: oneshot::Sender<SocketAddr>, mut ended: oneshot::Receiver<()>) {
    let mut builder = S3ServiceBuilder::new(files);
    builder.set_auth(SimpleAuth::from_single(KEY.0, KEY.1));
    let service = builder.build();
    let listener = TcpListener::bind("127.0.0.1:0").await.expect("there is a free port");
    starting.send(listener.local_addr().expect("it listens")).ok();
    loop {
        let (stream, _) = tokio::select! {
            _ = &mut ended => return,
            accepted = listener.accept() => accepted.expect("it listens"),
        };
        let service = service.clone();
        let answer = service_fn(move |request: Request<Incoming>| {
            let manner = asked_manner(request.uri());
            let answering = Service::call(&service, request);
            async move {
                let mut response: Response<Body> = answering.await?;
                if response.status().is_success() {
                    response.headers_mut().extend(manner);
                }
                Ok::<_, HttpError>(response)
            }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

/// How an object is to be shown, as the query has it, which the implementation leaves aside.
fn asked_manner(uri: &Uri) -> Vec<(HeaderName, HeaderValue)> {
    let url = Url::parse(&format!("http://s3{uri}")).expect("it is a URL");
    let known = [("response-content-type", CONTENT_TYPE), ("response-content-disposition", CONTENT_DISPOSITION)];
    let asked = url.query_pairs().filter_map(|(name, value)| {
        let (_, header) = known.iter().find(|(known, _)| *known == name)?;
        Some((header.clone(), HeaderValue::from_str(&value).ok()?))
    });
    asked.collect()
}
