//! Examples of the standards, made by others. They name no user, so that they are refused for their claims; a bit changed,
//! they are refused for their signature.

use std::sync::Arc;

use cartwright_domain::ManualClock;
use cartwright_identity::{JwksSettings, JwtSettings, Reason, Secret, Verifier};
use chrono::DateTime;
use serde_json::{Value, json};

use crate::{
    kit::{ask, decode},
    server::{Answer, Server},
};

/// RFC 7515, A.1 to A.3: `{"iss":"joe", "exp":1300819380, "http://example.com/is_root":true}`.
const CLAIMS: &str =
    "eyJpc3MiOiJqb2UiLA0KICJleHAiOjEzMDA4MTkzODAsDQogImh0dHA6Ly9leGFtcGxlLmNvbS9pc19yb290Ijp0cnVlfQ";

async fn check(
    jwk: Option<Value>,
    secret: Option<&str>,
    header: &str,
    claims: &str,
    signature: &str,
    why: Reason,
) {
    let server = Server::start(Answer::keys(jwk.as_slice())).await;
    let verifier = Verifier::start(JwtSettings {
        secrets: secret.into_iter().map(|secret| Secret::new(decode(secret)).unwrap().into()).collect(),
        jwks: jwk.map(|_| JwksSettings::new(server.url().parse().unwrap())),
        issuers: vec!["joe".into()],
        clock: Arc::new(ManualClock::new(DateTime::from_timestamp(1_300_819_000, 0).unwrap())),
        ..JwtSettings::default()
    });
    let verifier = verifier.await.unwrap();
    assert_eq!(ask(&verifier, &format!("{header}.{claims}.{signature}")).await.err(), Some(why), "{header}");
    let other = format!("{}AA", &claims[..claims.len() - 2]);
    let changed = format!("{header}.{other}.{signature}");
    assert_eq!(ask(&verifier, &changed).await.err(), Some(Reason::Signature), "{header}");
}

#[tokio::test]
async fn rfc_7515_a_1_hs256() {
    let secret = "AyM1SysPpbyDfgZld3umj1qzKObwVMkoqQ-EstJQLr_T-1qS0gZH75aKtMN3Yj0iPS4hcgUuTwjAzZr1Z9CAow";
    let header = "eyJ0eXAiOiJKV1QiLA0KICJhbGciOiJIUzI1NiJ9";
    let signature = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
    check(None, Some(secret), header, CLAIMS, signature, Reason::Subject).await;
}

#[tokio::test]
async fn rfc_7515_a_2_rs256() {
    let n = "ofgWCuLjybRlzo0tZWJjNiuSfb4p4fAkd_wWJcyQoTbji9k0l8W26mPddxHmfHQp-Vaw-4qPCJrcS2mJPMEzP1Pt0Bm4d4QlL-yRT-SFd2lZS-pCgNMsD1W_YpRPEwOWvG6b32690r2jZ47soMZo9wGzjb_7OMg0LOL-bSf63kpaSHSXndS5z5rexMdbBYUsLA9e-KXBdQOS-UTo7WTBEMa2R2CapHg665xsmtdVMTBQY4uDZlxvb3qCo5ZwKh9kG4LT6_I5IhlJH7aGhyxXFvUK-DWNmoudF8NAco9_h9iaGNj8q2ethFkMLs91kzk2PAcDTW9gb54h4FRWyuXpoQ";
    let signature = "cC4hiUPoj9Eetdgtv3hF80EGrhuB__dzERat0XF9g2VtQgr9PJbu3XOiZj5RZmh7AAuHIm4Bh-0Qc_lF5YKt_O8W2Fp5jujGbds9uJdbF9CUAr7t1dnZcAcQjbKBYNX4BAynRFdiuB--f_nZLgrnbyTyWzO75vRK5h6xBArLIARNPvkSjtQBMHlb1L07Qe7K0GarZRmB_eSN9383LcOLn6_dO--xi12jzDwusC-eOkHWEsqtFZESc6BfI7noOPqvhJ1phCnvWh6IeYI2w9QOYEUipUTI8np6LbgGY9Fs98rqVt5AXLIhWkWywlVmtVrBp0igcN_IoypGlUPQGe77Rw";
    let jwk = json!({"kty": "RSA", "n": n, "e": "AQAB"});
    check(Some(jwk), None, "eyJhbGciOiJSUzI1NiJ9", CLAIMS, signature, Reason::Subject).await;
}

#[tokio::test]
async fn rfc_7515_a_3_es256() {
    let jwk = json!({
        "kty": "EC", "crv": "P-256",
        "x": "f83OJ3D2xF1Bg8vub9tLe1gHMzV76e8Tus9uPHvRVEU", "y": "x_FEzRu9m36HLN_tue659LNpXW6pCyStikYjKIWI5a0",
    });
    let signature = "DtEhU3ljbEg8L38VWAfUAqOyKAM6-Xx-F4GawxaepmXFCgfTjDxw5djxLa8ISlSApmWQxfKTUJqPP3-Kg6NU1Q";
    check(Some(jwk), None, "eyJhbGciOiJFUzI1NiJ9", CLAIMS, signature, Reason::Subject).await;
}

/// RFC 8037, A.4. What it signs is not JSON.
#[tokio::test]
async fn rfc_8037_a_4_ed25519() {
    let jwk = json!({"kty": "OKP", "crv": "Ed25519", "x": "11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"});
    let signature = "hgyY0il_MGCjP0JzlnLWG1PPOt7-09PGcvMg3AIbQR6dWbhijcNR4ki4iylGjg5BhVsPt9g7sVvpAr_MuM0KAg";
    let claims = "RXhhbXBsZSBvZiBFZDI1NTE5IHNpZ25pbmc";
    check(Some(jwk), None, "eyJhbGciOiJFZERTQSJ9", claims, signature, Reason::Claims).await;
}
