//! A filter's side of the protocol, over HTTP/2 without TLS.

use std::net::SocketAddr;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request};
use http_body_util::{BodyExt, Full};
use hyper_util::client::legacy::Client as HyperClient;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::TokioExecutor;
use serde_json::Value;
use weir_policy::cache_tier::{
    LEASE_HEADER, REVISION_HEADER, TAGS_HEADER, TTL_HEADER, URL_HEADER, VARIANT_HEADER, VARY_HEADER, Vary,
    encode_field, lookup_path, object_path, release_path, tags_value, variant,
};

#[derive(Clone)]
pub(crate) struct Client {
    http: HyperClient<HttpConnector, Full<Bytes>>,
    server: SocketAddr,
}

#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// The lease of a miss.
    #[track_caller]
    pub(crate) fn lease(&self) -> String {
        assert_eq!(self.status, 404, "{self:?}");
        self.header(LEASE_HEADER).expect("a lease").to_owned()
    }

    pub(crate) fn problem(&self) -> Value {
        assert_eq!(
            self.header("content-type"),
            Some("application/problem+json"),
            "{self:?}"
        );
        let problem: Value = serde_json::from_slice(&self.body).unwrap();
        assert_eq!(problem["status"], self.status);
        problem
    }

    #[track_caller]
    pub(crate) fn assert_object(&self, body: &str) {
        assert_eq!((self.status, &self.body[..]), (200, body.as_bytes()), "{self:?}");
    }
}

/// What a fill says of an object.
#[derive(Clone)]
pub(crate) struct Fill {
    pub(crate) ttl_ms: u64,
    pub(crate) revision: u64,
    pub(crate) tags: Vec<&'static str>,
    pub(crate) url: String,
    pub(crate) vary: &'static str,
    pub(crate) fields: Vec<(&'static str, &'static str)>,
}

impl Default for Fill {
    fn default() -> Self {
        Self {
            ttl_ms: 60_000,
            revision: 1,
            tags: Vec::new(),
            url: "shop.example/".to_owned(),
            vary: "",
            fields: Vec::new(),
        }
    }
}

impl Fill {
    pub(crate) fn headers(&self, lease: &str) -> Vec<(&'static str, String)> {
        let mut headers = vec![
            (LEASE_HEADER, lease.to_owned()),
            (TTL_HEADER, self.ttl_ms.to_string()),
            (REVISION_HEADER, self.revision.to_string()),
            (URL_HEADER, self.url.clone()),
        ];
        if !self.tags.is_empty() {
            headers.push((
                TAGS_HEADER,
                tags_value(self.tags.iter().map(|tag| tag.as_bytes())),
            ));
        }
        if !self.vary.is_empty() {
            let fields: Vec<_> = self
                .fields
                .iter()
                .map(|(name, value)| (name.as_bytes(), value.as_bytes()))
                .collect();
            let vary = Vary::try_new(self.vary).unwrap();
            headers.push((VARIANT_HEADER, variant(&vary, &fields).as_str().to_owned()));
            headers.push((VARY_HEADER, vary.as_str().to_owned()));
        }
        headers
    }
}

impl Client {
    pub(crate) fn new(server: SocketAddr) -> Self {
        let mut connector = HttpConnector::new();
        connector.set_nodelay(true);
        Self {
            http: HyperClient::builder(TokioExecutor::new())
                .http2_only(true)
                .build(connector),
            server,
        }
    }

    pub(crate) async fn try_send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: Bytes,
    ) -> Result<Answer, String> {
        let mut request = Request::builder()
            .method(method)
            .uri(format!("http://{}{path}", self.server));
        for (name, value) in headers {
            request = request.header(*name, value);
        }
        let request = request.body(Full::new(body)).unwrap();
        let answer = async {
            let answer = self
                .http
                .request(request)
                .await
                .map_err(|error| format!("{error:?}"))?;
            let (head, body) = answer.into_parts();
            let body = body
                .collect()
                .await
                .map_err(|error| error.to_string())?
                .to_bytes();
            Ok(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body,
            })
        };
        let patient = tokio::time::timeout(Duration::from_secs(30), answer);
        patient.await.unwrap_or_else(|_| Err("no answer".to_owned()))
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        headers: &[(&str, String)],
        body: impl Into<Bytes>,
    ) -> Answer {
        self.try_send(method, path, headers, body.into()).await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.send(Method::GET, path, &[], "").await
    }

    pub(crate) async fn lookup(&self, key: &str, wait_ms: u32) -> Answer {
        self.lookup_with(key, wait_ms, &[]).await
    }

    pub(crate) async fn lookup_with(&self, key: &str, wait_ms: u32, fields: &[(&str, &str)]) -> Answer {
        let mut body = Vec::new();
        for (name, value) in fields {
            encode_field(&mut body, name.as_bytes(), value.as_bytes()).unwrap();
        }
        let path = lookup_path("default", "shop", key, wait_ms, false);
        self.send(Method::POST, &path, &[], body).await
    }

    pub(crate) async fn refresh(&self, key: &str) -> Answer {
        let path = lookup_path("default", "shop", key, 0, true);
        self.send(Method::POST, &path, &[], "").await
    }

    pub(crate) async fn put(&self, key: &str, lease: &str, fill: &Fill, body: impl Into<Bytes>) -> Answer {
        let path = object_path("default", "shop", key);
        self.send(Method::PUT, &path, &fill.headers(lease), body).await
    }

    pub(crate) async fn delete(&self, key: &str) -> Answer {
        self.send(Method::DELETE, &object_path("default", "shop", key), &[], "")
            .await
    }

    pub(crate) async fn release(&self, key: &str, lease: &str, hit_for_miss_ms: u64) -> Answer {
        let path = release_path("default", "shop", key, hit_for_miss_ms);
        self.send(Method::POST, &path, &[(LEASE_HEADER, lease.to_owned())], "")
            .await
    }

    /// Misses, and fills.
    pub(crate) async fn fill(&self, key: &str, fill: &Fill, body: &'static str) {
        let miss = self.lookup_with(key, 0, &fill.fields).await;
        let put = self.put(key, &miss.lease(), fill, body).await;
        assert_eq!(put.status, 204, "{put:?}");
    }

    /// The sum of a metric's values over the labels that hold `label`.
    pub(crate) async fn metric(&self, name: &str, label: &str) -> f64 {
        let text = String::from_utf8(self.get("/metrics").await.body.to_vec()).unwrap();
        let lines = text
            .lines()
            .filter(|line| !line.starts_with('#') && line.contains(label));
        let values = lines.filter_map(|line| {
            let (series, value) = line.rsplit_once(' ')?;
            (series.split('{').next() == Some(name)).then(|| value.parse::<f64>().unwrap())
        });
        values.sum()
    }
}
