//! CloudFront as moto plays it. `crates/edge/test-cloudfront.sh` installs moto and runs these.

use std::{
    path::PathBuf,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};

use aws_config::{BehaviorVersion, SdkConfig};
use aws_sdk_cloudfront::{
    Client,
    config::Credentials,
    types::{
        CustomOriginConfig, DefaultCacheBehavior, DistributionConfig, Origin, OriginProtocolPolicy, Origins,
        ViewerProtocolPolicy,
    },
};
use cartwright_edge::{CloudFront, Pace, PathsOf, Purge, PurgeError, Purger, SurrogateKey};
use cartwright_testkit::{ServerProcess, eventually, ports};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use crate::PATIENCE;

/// AWS on this machine.
struct Moto {
    _server: ServerProcess,
    port: u16,
    client: Client,
    distribution: String,
}

impl Moto {
    async fn start() -> Self {
        let folder = |name: &str| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
        let cache = folder("XDG_CACHE_HOME").or_else(|| Some(folder("HOME")?.join(".cache"))).unwrap();
        let program = cache.join("cartwright-testkit/moto/bin/moto_server");
        assert!(program.is_file(), "moto is not installed: run crates/edge/test-cloudfront.sh");
        let port = ports::free_port();
        let server = ServerProcess::builder(program).args(["-H", "127.0.0.1", "-p", &port.to_string()]);
        let server = server.start().unwrap();
        server.wait_ready(&format!("tcp://127.0.0.1:{port}"), PATIENCE * 2).unwrap();
        let client = Client::new(&settings(port).await);
        let made = client.create_distribution().distribution_config(shop()).send().await.unwrap();
        let distribution = made.distribution().unwrap().id().to_owned();
        Self { _server: server, port, client, distribution }
    }

    /// What CloudFront was told, the oldest first: caller reference and paths of each invalidation.
    async fn invalidations(&self) -> Vec<(String, Vec<String>)> {
        let list = self.client.list_invalidations().distribution_id(&self.distribution).send().await.unwrap();
        let ids = list.invalidation_list().map(|list| list.items().to_vec()).unwrap_or_default();
        let mut all = Vec::new();
        for id in ids {
            let asked = self.client.get_invalidation().distribution_id(&self.distribution).id(id.id());
            let invalidation = asked.send().await.unwrap().invalidation().unwrap().clone();
            let batch = invalidation.invalidation_batch().unwrap();
            let paths = batch.paths().unwrap().items().to_vec();
            all.push((*invalidation.create_time(), batch.caller_reference().to_owned(), paths));
        }
        all.sort();
        all.into_iter().map(|(_, reference, paths)| (reference, paths)).collect()
    }

    async fn edge(&self) -> CloudFront {
        CloudFront::new(&settings(self.port).await, &self.distribution, paths_of())
    }
}

async fn settings(port: u16) -> SdkConfig {
    aws_config::defaults(BehaviorVersion::latest())
        .region("us-east-1")
        .credentials_provider(Credentials::new("test", "test", None, None, "test"))
        .http_client(aws_smithy_http_client::Builder::new().build_http())
        .endpoint_url(format!("http://127.0.0.1:{port}"))
        .load()
        .await
}

fn shop() -> DistributionConfig {
    let origin = CustomOriginConfig::builder()
        .http_port(80)
        .https_port(443)
        .origin_protocol_policy(OriginProtocolPolicy::HttpsOnly)
        .build()
        .unwrap();
    let origin = Origin::builder().id("shop").domain_name("shop.example").custom_origin_config(origin);
    DistributionConfig::builder()
        .caller_reference("test")
        .comment("")
        .enabled(true)
        .origins(Origins::builder().quantity(1).items(origin.build().unwrap()).build().unwrap())
        .default_cache_behavior(
            DefaultCacheBehavior::builder()
                .target_origin_id("shop")
                .viewer_protocol_policy(ViewerProtocolPolicy::HttpsOnly)
                .build()
                .unwrap(),
        )
        .build()
        .unwrap()
}

/// As a shop would map them.
fn paths_of() -> PathsOf {
    Arc::new(|key: &SurrogateKey| match key.as_str().split_once(':') {
        Some(("product", id)) => vec![format!("/api/v1/products/{id}")],
        Some(("bad", _)) => vec!["not a path".to_owned()],
        Some(("category", name)) => {
            vec![format!("/api/v1/categories/{name}/products*"), "/api/v1/search*".to_owned()]
        }
        _ => Vec::new(),
    })
}

fn product(n: usize) -> SurrogateKey {
    SurrogateKey::of("product", &n.to_string())
}

const QUICK: Pace = Pace {
    window: Duration::from_millis(50),
    pause: Duration::from_millis(20),
    longest_pause: Duration::from_millis(100),
    ..Pace::CDN
};

#[tokio::test(flavor = "multi_thread")]
async fn changes_become_few_invalidations_of_paths() {
    let moto = Moto::start().await;
    let purger = Purger::builder().edge("cdn", Arc::new(moto.edge().await), QUICK).start();
    purger.changed([product(1), product(2), SurrogateKey::of("category", "Books")]);
    purger.changed([product(1), SurrogateKey::of("category", "Games")]);
    eventually(PATIENCE, async || purger.figures()[0].purges == 1).await;
    let told = moto.invalidations().await;
    assert_eq!(told.len(), 1);
    let mut paths = told[0].1.clone();
    paths.sort();
    assert_eq!(
        paths,
        [
            "/api/v1/categories/Books/products*",
            "/api/v1/categories/Games/products*",
            "/api/v1/products/1",
            "/api/v1/products/2",
            "/api/v1/search*"
        ]
    );
    purger.everything_changed();
    assert_eq!(purger.shutdown(PATIENCE).await, 0);
    assert!(moto.invalidations().await.iter().any(|(_, paths)| paths == &["/*"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn an_invalidation_has_so_many_paths_and_a_name_of_its_own() {
    let moto = Moto::start().await;
    let edge = moto.edge().await.most_paths(10);
    let keys: Vec<_> = (0..25).map(product).collect();
    edge.purge(&keys).await.unwrap();
    edge.purge(&keys[..1]).await.unwrap();
    edge.purge(&keys[..1]).await.unwrap();
    let told = moto.invalidations().await;
    let mut sizes: Vec<_> = told.iter().map(|(_, paths)| paths.len()).collect();
    sizes.sort_unstable();
    assert_eq!(sizes, [1, 1, 5, 10, 10]);
    let mut names: Vec<_> = told.iter().map(|(name, _)| name.clone()).collect();
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 5);
    let paths: std::collections::HashSet<_> = told.into_iter().flat_map(|(_, paths)| paths).collect();
    assert_eq!(paths.len(), 25);
}

#[tokio::test(flavor = "multi_thread")]
async fn more_than_cloudfront_works_on_at_a_time_is_everything() {
    let moto = Moto::start().await;
    let purger = Purger::builder().edge("cdn", Arc::new(moto.edge().await), QUICK).start();
    purger.changed((0..15).map(|n| SurrogateKey::of("category", &n.to_string())));
    eventually(PATIENCE, async || purger.figures()[0].everything == 1).await;
    let told = moto.invalidations().await;
    assert_eq!(told.into_iter().map(|(_, paths)| paths).collect::<Vec<_>>(), [["/*"]]);
    assert_eq!(purger.figures()[0].failed, 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn throttling_is_waited_out() {
    let moto = Moto::start().await;
    let (front, refused) =
        refusing(moto.port, &["Throttling", "TooManyInvalidationsInProgress", "ServiceUnavailable"]).await;
    let edge = CloudFront::new(&settings(front).await, &moto.distribution, paths_of());
    let purger = Purger::builder().edge("cdn", Arc::new(edge), QUICK).start();
    purger.changed([product(1)]);
    eventually(PATIENCE, async || purger.figures()[0].purges == 1).await;
    let figures = &purger.figures()[0];
    assert_eq!((figures.failed, refused.load(SeqCst), figures.pending), (3, 3, 0));
    assert_eq!(moto.invalidations().await.len(), 1);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_invalidated_is_an_error() {
    let moto = Moto::start().await;
    let bad = moto.edge().await.purge(&[SurrogateKey::of("bad", "1"), product(1)]).await.unwrap_err();
    assert!(matches!(bad, PurgeError::Rejected(_)), "{bad}");
    assert!(moto.invalidations().await.is_empty());
    let other = CloudFront::new(&settings(moto.port).await, "NONE", paths_of());
    let unknown = other.purge(&[product(1)]).await.unwrap_err();
    assert!(
        matches!(&unknown, PurgeError::Refused(text) if text.contains("NoSuchDistribution")),
        "{unknown}"
    );
    let nobody = CloudFront::new(&settings(ports::free_port()).await, "NONE", paths_of());
    assert!(matches!(nobody.purge_everything().await, Err(PurgeError::Unreachable(_))));
}

/// Its HTTPS is put together from parts, which is found out when it is.
#[tokio::test(flavor = "multi_thread")]
async fn the_environment_is_enough() {
    let edge = CloudFront::from_environment("E1", paths_of()).await;
    assert!(format!("{edge:?}").contains("E1"));
}

/// Stands before a server and answers the first requests itself, with these errors.
async fn refusing(port: u16, codes: &[&'static str]) -> (u16, Arc<AtomicUsize>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let front = listener.local_addr().unwrap().port();
    let refused = Arc::new(AtomicUsize::new(0));
    let (codes, count) = (codes.to_vec(), Arc::clone(&refused));
    tokio::spawn(async move {
        loop {
            let (mut client, _) = listener.accept().await.unwrap();
            let Some(code) = codes.get(count.load(SeqCst)) else {
                tokio::spawn(async move {
                    let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
                continue;
            };
            // The whole request, or closing would reset the connection before the answer is read.
            let mut request = Vec::new();
            while !String::from_utf8_lossy(&request).contains("</InvalidationBatch>") {
                assert_ne!(client.read_buf(&mut request).await.unwrap(), 0);
            }
            count.fetch_add(1, SeqCst);
            let body = format!(
                "<ErrorResponse xmlns=\"http://cloudfront.amazonaws.com/doc/2020-05-31/\"><Error><Type>Sender</Type>\
                 <Code>{code}</Code><Message>Later</Message></Error><RequestId>1</RequestId></ErrorResponse>"
            );
            let status =
                if code.starts_with("Service") { "503 Service Unavailable" } else { "400 Bad Request" };
            let answer = format!(
                "HTTP/1.1 {status}\r\nContent-Type: text/xml\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}",
                body.len()
            );
            client.write_all(answer.as_bytes()).await.unwrap();
            client.shutdown().await.unwrap();
        }
    });
    (front, refused)
}
