/* A table and nothing else: with Date, X-Worker, Content-Type and Content-Length a head of twenty fields. Called by
 * client.c; the bench measures with it. */
#include "worker/shop.h"

static const struct {
    const char *name, *value;
} shop_fields[SHOP_FIELDS] = {
    {"Server", "shop/4.2"},
    {"Cache-Control", "private, max-age=0, must-revalidate"},
    {"ETag", "W/\"5f2b1c-1a7b3c9d2e4f\""},
    {"Last-Modified", "Tue, 24 Nov 2026 08:12:31 GMT"},
    {"Expires", "Thu, 01 Jan 1970 00:00:00 GMT"},
    {"Vary", "Accept-Encoding, Accept-Language, Cookie"},
    {"Content-Language", "en-GB"},
    {"Content-Security-Policy",
     "default-src 'self'; img-src 'self' https://images.shop.example data:; script-src 'self' "
     "'nonce-8IBTHwOdqNKAWeKl7plt8g=='; style-src 'self'; frame-ancestors 'none'; base-uri 'none'"},
    {"Strict-Transport-Security", "max-age=31536000; includeSubDomains"},
    {"X-Content-Type-Options", "nosniff"},
    {"X-Frame-Options", "DENY"},
    {"Referrer-Policy", "strict-origin-when-cross-origin"},
    {"Permissions-Policy", "camera=(), microphone=(), geolocation=(), payment=(self)"},
    {"Set-Cookie", "session=7d9f2c1ba4e84d0c9b6d0f5e8a713c55; Path=/; Max-Age=86400; HttpOnly; SameSite=Lax"},
    {"Set-Cookie", "basket=eyJpdGVtcyI6W3siaWQiOjEyMzQsIm4iOjJ9XX0; Path=/; SameSite=Lax"},
    {"Link", "</style/main.8f3a.css>; rel=preload; as=style, </js/shop.b71c.js>; rel=preload; "
             "as=script"},
};

void shop_add_fields(struct msg *msg)
{
    for (size_t i = 0; i < ARRAY_SIZE(shop_fields); i++)
        msg_add_field(msg, FIELD_OTHER, str_of(shop_fields[i].name), str_of(shop_fields[i].value));
}
