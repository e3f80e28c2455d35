//! Lists of the admin API as a whole: they come by pages.

use crate::admin::{Asked, Page};
use crate::oauth::Result;

/// All of a list, from page to page, or its first ones.
pub async fn all<T>(most: usize, mut page: impl AsyncFnMut(&Asked) -> Result<Page<T>>) -> Result<Vec<T>> {
    let mut all = Vec::new();
    let mut asked = Asked::default();
    loop {
        let Page { items, next } = page(&asked).await?;
        all.extend(items);
        asked.after = next;
        if asked.after.is_none() || all.len() >= most {
            all.truncate(most);
            return Ok(all);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Three pages of two.
    async fn page(asked: &Asked) -> Result<Page<u32>> {
        let first = asked.after.as_deref().map_or(0, |after| after.parse().unwrap());
        Ok(Page { items: vec![first + 1, first + 2], next: (first < 4).then(|| (first + 2).to_string()) })
    }

    #[tokio::test]
    async fn every_page_is_read_or_as_many_as_are_wanted() {
        assert_eq!(all(usize::MAX, page).await.unwrap(), [1, 2, 3, 4, 5, 6]);
        assert_eq!(all(3, page).await.unwrap(), [1, 2, 3]);
        assert_eq!(all(4, page).await.unwrap(), [1, 2, 3, 4]);
    }
}
