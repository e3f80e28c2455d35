//! The admin port, as an operator uses it.

use hydrant::id::ClientId;
use reqwest::Method;
use serde_json::Value;

use super::Server;
use super::requests::Answer;

impl Server {
    pub async fn admin(&self, method: Method, path: &str, body: Option<&Value>) -> Answer {
        let request = self.http.request(method, format!("{}/admin{path}", self.admin));
        let request = match body {
            Some(body) => request.json(body),
            None => request,
        };
        Answer::of(request.send().await.unwrap()).await
    }

    /// Changes a client's registration as an operator does: reads it, edits it, puts it back.
    pub async fn change_client(&self, id: &str, change: impl FnOnce(&mut Value)) {
        let path = format!("/clients/{id}");
        let mut client = self.admin(Method::GET, &path, None).await.json();
        change(&mut client);
        let answer = self.admin(Method::PUT, &path, Some(&client)).await;
        assert_eq!(answer.status, 200, "{}", answer.body);
    }

    /// Makes the server read a client anew that was changed behind its back.
    pub async fn forget_client(&self, id: &str) {
        self.app().store.rehash_client_secret(&ClientId::new(id), "no such hash", "").await.unwrap();
    }

    pub async fn delete_client(&self, id: &str) {
        let answer = self.admin(Method::DELETE, &format!("/clients/{id}"), None).await;
        assert_eq!(answer.status, 204, "{}", answer.body);
    }
}
