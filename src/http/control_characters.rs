//! Requests whose path or query hides a control character: they can name nothing that exists.

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;

use super::problem::{Problem, no_such_route};

/// Refuses such a request before anything looks for what it names.
///
/// # Errors
/// [`Problem`] 404 for a path, 400 for a query; or what the service answers.
pub async fn refuse_control_characters(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let uri = request.uri();
    if hides_control_character(uri.path()) {
        return Err(no_such_route().into());
    }
    if uri.query().is_some_and(hides_control_character) {
        return Err(Problem::invalid_query("query: no control characters").into());
    }
    next.call(request).await
}

/// True for `%00` to `%1f` and `%7f`.
fn hides_control_character(text: &str) -> bool {
    text.split('%').skip(1).any(|escaped| {
        let mut digits = escaped.chars();
        let (high, low) = (digits.next(), digits.next());
        let is_hex = low.is_some_and(|low| low.is_ascii_hexdigit());
        is_hex && (matches!(high, Some('0' | '1')) || (high == Some('7') && matches!(low, Some('f' | 'F'))))
    })
}

#[cfg(test)]
mod tests {
    use super::hides_control_character;

    #[test]
    fn only_control_characters_are_refused() {
        for hidden in ["/v1/codes/%00", "cursor=a%1fb", "%7F", "%0a"] {
            assert!(hides_control_character(hidden), "{hidden}");
        }
        for plain in ["/v1/codes/A%20B", "cursor=%C3%A9", "100%", "%7e", "%", ""] {
            assert!(!hides_control_character(plain), "{plain}");
        }
    }
}
