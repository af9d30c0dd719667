//! Sources at `http://` and `https://` addresses.

use std::{io, path::Path, time::Duration};

use backon::{ExponentialBuilder, Retryable};
use futures::{StreamExt, TryStreamExt, stream};
use http_body_util::BodyExt;
use reqwest::{Client, Url};
use tokio::io::AsyncWriteExt;

use crate::{
    failure::Failure,
    files::LocalFile,
    remote::client::{BodyError, Paced, READ, Terms, chain, client},
};

/// Downloads at once.
const PARALLEL: usize = 4;

/// Downloads the file at `uri`, or, when it ends with `/`, the files that `include` names below it,
/// into a folder. A download is tried five times.
///
/// # Errors
/// Names the address that can't be had.
pub(super) async fn download(
    uri: &str,
    include: &[String],
    spare: impl Fn(&str) -> bool,
    folder: &Path,
) -> Result<Vec<LocalFile>, Failure> {
    let client = client(&Terms::default()).map_err(Failure::unavailable)?;
    let addresses = addresses(uri, include, spare)?;
    stream::iter(addresses)
        .map(|(path, url)| {
            let file = folder.join(&path);
            let client = client.clone();
            async move {
                (|| get(&client, &url, &file))
                    .retry(
                        ExponentialBuilder::default()
                            .with_min_delay(Duration::from_millis(500))
                            .with_max_times(4)
                            .with_jitter(),
                    )
                    .when(|error| error.transient)
                    .notify(|error, delay| {
                        let seconds = delay.as_secs_f64();
                        tracing::warn!("{}; trying again in {seconds:.1} s", error.message);
                    })
                    .await
                    .map_err(|error| Failure::unavailable(error.message))?;
                Ok(LocalFile { path, file })
            }
        })
        .buffered(PARALLEL)
        .try_collect()
        .await
}

/// Relative paths and addresses of the files, sorted by path.
fn addresses(
    uri: &str,
    include: &[String],
    spare: impl Fn(&str) -> bool,
) -> Result<Vec<(String, Url)>, Failure> {
    let invalid = |what: &str, why: &dyn std::fmt::Display| {
        Failure::usage(format!("{what} is not an address of a file: {why}"))
    };
    let base = Url::parse(uri).map_err(|error| invalid("source.uri", &error))?;
    let mut files = Vec::new();
    if include.is_empty() {
        let name = base
            .path_segments()
            .and_then(|mut parts| parts.next_back())
            .filter(|name| !name.is_empty())
            .ok_or_else(|| {
                invalid(
                    "source.uri",
                    &"it names a folder, and source.include is empty",
                )
            })?;
        files.push((name.to_owned(), base.clone()));
    } else {
        if !base.path().ends_with('/') {
            return Err(Failure::usage(format!(
                "source.uri {uri} is a file, and source.include names files below it: end the \
                 address with / or leave source.include out"
            )));
        }
        for path in include {
            if path.split('/').any(|part| matches!(part, "" | "." | "..")) {
                return Err(invalid("an entry of source.include", path));
            }
            let mut url = base.clone();
            url.path_segments_mut()
                .map_err(|()| invalid("source.uri", &"it can't have files below it"))?
                .pop_if_empty()
                .extend(path.split('/'));
            files.push((path.clone(), url));
        }
    }
    files.retain(|(path, _)| spare(path));
    files.sort_by(|a, b| a.0.cmp(&b.0));
    files.dedup_by(|a, b| a.0 == b.0);
    Ok(files)
}

/// Why a download failed.
struct DownloadError {
    message: String,
    transient: bool,
}

async fn get(client: &Client, url: &Url, file: &Path) -> Result<(), DownloadError> {
    let of_http = |error: reqwest::Error| DownloadError {
        transient: error.status().is_none_or(|status| {
            status.is_server_error() || matches!(status.as_u16(), 408 | 425 | 429)
        }),
        message: format!("{url} can't be read: {}", chain(&error.without_url())),
    };
    let of_disk = |error: io::Error| DownloadError {
        message: format!("{url} can't be kept in the pod's /tmp: {error}"),
        transient: false,
    };
    let response = client
        .get(url.clone())
        .send()
        .await
        .and_then(reqwest::Response::error_for_status)
        .map_err(of_http)?;
    if let Some(folder) = file.parent() {
        tokio::fs::create_dir_all(folder).await.map_err(of_disk)?;
    }
    let mut target = tokio::fs::File::create(file).await.map_err(of_disk)?;
    let mut body = Paced::new(response.into(), READ);
    while let Some(frame) = body.frame().await {
        let frame = frame.map_err(|error| match error {
            BodyError::Connection(error) => of_http(error),
            slow @ BodyError::Slow { .. } => DownloadError {
                message: format!("{url} can't be read: {slow}"),
                transient: true,
            },
        })?;
        if let Ok(chunk) = frame.into_data() {
            target.write_all(&chunk).await.map_err(of_disk)?;
        }
    }
    target.flush().await.map_err(of_disk)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(uri: &str, include: &[&str]) -> Result<Vec<(String, String)>, String> {
        let include: Vec<String> = include.iter().map(|&path| path.into()).collect();
        addresses(uri, &include, |path| path != "no.csv")
            .map(|files| {
                files
                    .into_iter()
                    .map(|(path, url)| (path, url.to_string()))
                    .collect()
            })
            .map_err(|failure| failure.message)
    }

    #[test]
    fn one_file_or_named_files() {
        assert_eq!(
            of("https://example.org/data/a.csv?x=1", &[]).unwrap(),
            [("a.csv".into(), "https://example.org/data/a.csv?x=1".into())]
        );
        assert_eq!(
            of(
                "http://example.org/data/",
                &["b c.csv", "a/x.csv", "no.csv"]
            )
            .unwrap(),
            [
                ("a/x.csv".into(), "http://example.org/data/a/x.csv".into()),
                ("b c.csv".into(), "http://example.org/data/b%20c.csv".into()),
            ]
        );
    }

    #[test]
    fn nothing_outside_the_folder() {
        for (uri, path) in [
            ("http://example.org/data/", "../a.csv"),
            ("http://example.org/data/", "/etc/a.csv"),
            ("http://example.org/data", "a.csv"),
        ] {
            assert!(of(uri, &[path]).unwrap_err().contains("source."), "{path}");
        }
        assert!(
            of("http://example.org/data/", &[])
                .unwrap_err()
                .contains("source.include is empty")
        );
    }
}
