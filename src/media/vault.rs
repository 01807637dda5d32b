//! The store of files: a directory of this machine, S3, Google Cloud Storage or Azure, under one roof.

use std::{
    fs::File,
    io::{self, Read},
    ops::Range,
    path::{Path as FilePath, PathBuf},
    sync::Arc,
    time::Duration,
};

use anyhow::{Context as _, bail};
use bytes::Bytes;
use futures_util::{StreamExt, TryStreamExt, future, stream::BoxStream};
use object_store::{
    Attribute, Attributes, GetOptions, GetRange, ObjectMeta, ObjectStore, ObjectStoreExt, PutOptions,
    aws::AmazonS3Builder,
    azure::MicrosoftAzureBuilder,
    buffered::BufWriter,
    gcp::GoogleCloudStorageBuilder,
    local::LocalFileSystem,
    path::Path,
    signer::{Method, SignedUrlOptions, Signer},
};
use reqwest::Url;
use tokio::{sync::mpsc, task};

use super::trouble;
use crate::domain::{
    attachment::Rendition,
    error::{Error, Result},
    ids::BlobId,
};

/// Bytes read from a file at once on its way into the vault.
const CHUNK: usize = 256 * 1024;

/// The store of files, by blob and rendition.
#[derive(Debug)]
pub struct Vault {
    store: Arc<dyn ObjectStore>,
    signer: Option<Arc<dyn Signer>>,
    /// What comes before every name in it.
    prefix: Path,
    /// Where it is on this machine, if it is.
    directory: Option<PathBuf>,
}

/// Something that is in the store.
#[derive(Clone, Debug)]
pub struct Found {
    /// The blob that its name tells, if it tells one.
    pub blob: Option<BlobId>,
    /// Its whole name.
    pub place: Path,
}

/// How a file is told to be shown.
#[derive(Clone, Debug)]
pub struct Manner {
    /// Its media type.
    pub content_type: String,
    /// The value of its `Content-Disposition` (RFC 6266).
    pub disposition: String,
}

/// Some bytes of a file on their way out.
pub struct Reading {
    /// The whole file's size.
    pub size: u64,
    /// Which bytes these are.
    pub range: Range<u64>,
    /// The bytes.
    pub bytes: BoxStream<'static, std::io::Result<Bytes>>,
}

impl Vault {
    /// Opens the store that a URL names: `file:///…`, `s3://bucket/…`, `gs://…` or `az://…`. Credentials come from the
    /// variables that these services' own tools read.
    pub fn open(url: &str) -> anyhow::Result<Self> {
        let parsed = Url::parse(url).with_context(|| format!("{url} is not a URL"))?;
        let prefix = Path::from_url_path(parsed.path()).context("the storage URL has a path that can't be a name")?;
        match parsed.scheme() {
            "file" => {
                let directory = parsed.to_file_path().ok().context("the storage URL names no absolute path")?;
                Self::in_directory(&directory)
            }
            "s3" | "s3a" => {
                let store = AmazonS3Builder::from_env().with_url(url).build().context("cannot use the S3 storage")?;
                Ok(Self::signing(Arc::new(store), prefix))
            }
            "gs" => {
                let store = GoogleCloudStorageBuilder::from_env().with_url(url).build();
                Ok(Self::signing(Arc::new(store.context("cannot use the Google Cloud storage")?), prefix))
            }
            "az" | "abfs" | "azure" => {
                let store = MicrosoftAzureBuilder::from_env().with_url(url).build();
                Ok(Self::signing(Arc::new(store.context("cannot use the Azure storage")?), prefix))
            }
            scheme => bail!("storage on {scheme}:// is not supported; use file, s3, gs or az"),
        }
    }

    /// Keeps files in a directory of this machine.
    pub fn in_directory(directory: &FilePath) -> anyhow::Result<Self> {
        std::fs::create_dir_all(directory)
            .with_context(|| format!("cannot make the directory {} for files", directory.display()))?;
        let store = LocalFileSystem::new_with_prefix(directory)
            .with_context(|| format!("cannot keep files in {}", directory.display()))?
            .with_automatic_cleanup(true)
            .with_fsync(true);
        Ok(Self {
            store: Arc::new(store),
            signer: None,
            prefix: Path::default(),
            directory: Some(directory.to_owned()),
        })
    }

    fn signing<S: ObjectStore + Signer>(store: Arc<S>, prefix: Path) -> Self {
        Self { store: Arc::clone(&store) as _, signer: Some(store), prefix, directory: None }
    }

    /// Keeps a file that came in.
    pub async fn put_file(&self, blob: BlobId, mut file: File, manner: &Manner) -> Result<()> {
        let (chunks, mut read) = mpsc::channel::<std::io::Result<Bytes>>(2);
        let reading = task::spawn_blocking(move || {
            loop {
                let mut chunk = vec![0; CHUNK];
                let next = file.read(&mut chunk).map(|length| {
                    chunk.truncate(length);
                    Bytes::from(chunk)
                });
                let is_last = next.as_ref().is_ok_and(Bytes::is_empty) || next.is_err();
                if chunks.blocking_send(next).is_err() || is_last {
                    return;
                }
            }
        });
        let mut writer = BufWriter::new(Arc::clone(&self.store), self.name(blob, Rendition::Original));
        if self.signer.is_some() {
            // Whoever signs also serves, and must know how.
            writer = writer.with_attributes(manner.attributes());
        }
        while let Some(chunk) = read.recv().await {
            let chunk = chunk.map_err(trouble)?;
            writer.put(chunk).await.map_err(|error| refused(&error))?;
        }
        tokio::io::AsyncWriteExt::shutdown(&mut writer).await.map_err(trouble)?;
        reading.await.context("reading a file was cut short").map_err(Error::Internal)
    }

    /// Keeps bytes that were made here.
    pub async fn put_bytes(&self, blob: BlobId, rendition: Rendition, bytes: Bytes, manner: &Manner) -> Result<()> {
        let mut options = PutOptions::default();
        if self.signer.is_some() {
            options.attributes = manner.attributes();
        }
        let name = self.name(blob, rendition);
        self.store.put_opts(&name, bytes.into(), options).await.map_err(|error| refused(&error))?;
        Ok(())
    }

    /// How many bytes a file has; nothing where it is not there.
    pub async fn size(&self, blob: BlobId, rendition: Rendition) -> Result<Option<u64>> {
        match self.store.head(&self.name(blob, rendition)).await {
            Ok(found) => Ok(Some(found.size)),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Reads some bytes of a file, or all; nothing where it is not there.
    pub async fn get(&self, blob: BlobId, rendition: Rendition, range: Option<Range<u64>>) -> Result<Option<Reading>> {
        let options = GetOptions { range: range.map(GetRange::Bounded), ..GetOptions::default() };
        match self.store.get_opts(&self.name(blob, rendition), options).await {
            Ok(got) => Ok(Some(Reading {
                size: got.meta.size,
                range: got.range.clone(),
                bytes: got.into_stream().map_err(std::io::Error::other).boxed(),
            })),
            Err(object_store::Error::NotFound { .. }) => Ok(None),
            Err(error) => Err(refused(&error)),
        }
    }

    /// A URL by which the store itself serves a file for a while, where it can.
    pub async fn signed_url(
        &self,
        blob: BlobId,
        rendition: Rendition,
        manner: &Manner,
        lifetime: Duration,
    ) -> Result<Option<String>> {
        let Some(signer) = &self.signer else { return Ok(None) };
        let name = self.name(blob, rendition);
        let shown = SignedUrlOptions::default().with_query([
            ("response-content-type", manner.content_type.as_str()),
            ("response-content-disposition", manner.disposition.as_str()),
        ]);
        let signed = match signer.signed_url_opts(Method::GET, &name, lifetime, &shown).await {
            // What it was told when the file came in will do.
            Err(object_store::Error::NotSupported { .. }) => signer.signed_url(Method::GET, &name, lifetime).await,
            signed => signed,
        };
        Ok(Some(signed.map_err(|error| refused(&error))?.into()))
    }

    /// Removes all that is kept for a blob.
    pub async fn remove(&self, blob: BlobId) -> Result<()> {
        let names = self.store.list(Some(&self.directory(blob))).map_ok(|found| found.location).boxed();
        self.store
            .delete_stream(names)
            .filter(|removed| future::ready(!matches!(removed, Err(object_store::Error::NotFound { .. }))))
            .try_for_each(|_| future::ok(()))
            .await
            .map_err(|error| refused(&error))?;
        match &self.directory {
            Some(directory) => sweep(&directory.join(blob.to_string())).await,
            None => Ok(()),
        }
    }

    /// Everything in the store, one after the other.
    pub fn list(&self) -> BoxStream<'static, Result<Found>> {
        let depth = self.prefix.parts().count();
        let found = move |object: ObjectMeta| Found {
            blob: object.location.parts().nth(depth).and_then(|part| part.as_ref().parse().ok()),
            place: object.location,
        };
        self.store.list(Some(&self.prefix)).map_ok(found).map_err(|error| refused(&error)).boxed()
    }

    /// Whether something that was found is still there.
    pub async fn has(&self, found: &Found) -> Result<bool> {
        match self.store.head(&found.place).await {
            Ok(_) => Ok(true),
            Err(object_store::Error::NotFound { .. }) => Ok(false),
            Err(error) => Err(refused(&error)),
        }
    }

    /// Removes something that was found.
    pub async fn remove_found(&self, found: &Found) -> Result<()> {
        match self.store.delete(&found.place).await {
            Ok(()) | Err(object_store::Error::NotFound { .. }) => Ok(()),
            Err(error) => Err(refused(&error)),
        }
    }

    fn directory(&self, blob: BlobId) -> Path {
        self.prefix.clone().join(blob.to_string())
    }

    fn name(&self, blob: BlobId, rendition: Rendition) -> Path {
        self.directory(blob).join(rendition.name())
    }
}

impl Manner {
    fn attributes(&self) -> Attributes {
        Attributes::from_iter([
            (Attribute::ContentType, self.content_type.clone()),
            (Attribute::ContentDisposition, self.disposition.clone()),
        ])
    }
}

/// Removes what is left of a blob's directory: a process that dies while it writes leaves half a file, which is listed nowhere.
async fn sweep(directory: &FilePath) -> Result<()> {
    match tokio::fs::remove_dir_all(directory).await {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(trouble(error)),
        _ => Ok(()),
    }
}

/// What the store's refusal means to who waits.
fn refused(error: &object_store::Error) -> Error {
    let mut cause: Option<&(dyn std::error::Error + 'static)> = Some(error);
    while let Some(source) = cause {
        if let Some(io) = source.downcast_ref::<std::io::Error>()
            && matches!(io.kind(), std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded)
        {
            return Error::StorageFull;
        }
        cause = source.source();
    }
    tracing::warn!(%error, "The store of files refused: {error}");
    Error::Unavailable("The store of files is away; try again soon.")
}
