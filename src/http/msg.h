/* The head of a request or an answer, the same for every version of HTTP.
 *
 * Slices point into received chunks or the exchange's arena; msg owns nothing. Framing fields never travel here: what
 * they said is in body and length, and each session writes its own.
 */
#ifndef HTTP_MSG_H
#define HTTP_MSG_H

#include "http/fields.h"

enum msg_method {
    METHOD_OTHER,
    METHOD_GET,
    METHOD_HEAD,
    METHOD_POST,
    METHOD_PUT,
    METHOD_DELETE,
    METHOD_OPTIONS,
    METHOD_TRACE,
    METHOD_PATCH,
    METHOD_CONNECT
};

enum msg_body {
    MSG_BODY_NONE,   /* nothing follows, whatever length says (HEAD, 204, 304, a request without framing) */
    MSG_BODY_LENGTH, /* length bytes follow (0 too) */
    MSG_BODY_OPEN    /* bytes follow until the sender says so */
};

struct msg {
    /* request */
    enum msg_method method;
    struct str method_text;
    struct str target;    /* as received: what a worker gets (origin form, or "*") */
    struct str path;      /* of the target up to '?', for routing; "*" for asterisk form */
    struct str authority; /* the host that is asked, with its port: what Host says to the worker; empty: an HTTP/1.0
                             request without Host */
    /* answer */
    uint16_t status;
    struct str reason;
    /* both */
    uint8_t major; /* the sender's version of HTTP: 1 or 2 */
    uint8_t minor; /* of HTTP/1: 0 or 1; 1 with HTTP/2, which has all that 1.1 has */
    enum msg_body body;
    int64_t length;       /* what the sender said of the body's length, even with MSG_BODY_NONE; -1: nothing */
    bool expect_continue; /* request: Expect: 100-continue, not from HTTP/1.0; the field itself also stays in fields */
    bool trailers_wanted; /* request: TE says trailers */
    struct str upgrade;   /* request or 101: Upgrade's value when Connection names it; else empty */
    bool must_switch;     /* request: its upgrade or nothing (RFC 8441); without what only HTTP/1.1 asks with */
    struct field *fields; /* Host, framing and hop-by-hop ones are marked dropped */
    uint32_t count;
    uint32_t cap; /* room in fields; added ones go behind */
};

enum msg_method msg_method_of(struct str text);
/* Safe to send again by its definition (RFC 9110 section 9.2.2): GET, HEAD, PUT, DELETE, OPTIONS, TRACE. */
bool msg_method_repeatable(enum msg_method method);
/* The sender's version for access lines ("HTTP/2"), and the value of Via for it ("2 ballast"; RFC 9110 section 7.6.3).
 */
struct str msg_protocol(const struct msg *msg);
struct str msg_via(const struct msg *msg);
/* Appends; room was made by the caller (asserted). */
void msg_add_field(struct msg *msg, enum field_id id, struct str name, struct str value);
/* The registered phrase ("Not Found"), or an empty slice. */
struct str msg_reason_of(int status);

#endif
