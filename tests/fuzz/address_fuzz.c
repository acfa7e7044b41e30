/* Addresses: what is accepted stands within the text and, printed, is read as the same address again; what is refused
 * says why.
 *
 * The first byte: 's' the bytes of a socket address, as the system might give them; anything else a text.
 */
#include "fuzz.h"

#include <ctype.h>
#include <stdlib.h>

#include "base/err.h"
#include "io/sock.h"

static bool is_inside(struct str part, struct str text)
{
    return part.n == 0 || (part.p >= text.p && part.p + part.n <= text.p + text.n);
}

static void check_host_bytes(struct str host)
{
    ASSERT(host.n > 0 && host.n <= 253);
    for (size_t i = 0; i < host.n; i++)
        ASSERT(isalnum((unsigned char)host.p[i]) || strchr("-._:", host.p[i]));
}

/* In memory of their own, as long as promised. */
static struct str text_of(const struct sockaddr_storage *storage, bool host_only)
{
    char *out = malloc(SOCK_TEXT_MAX);
    ASSERT(out);
    struct str text = host_only ? sock_host_text(out, storage) : sock_addr_text(out, storage);
    ASSERT(text.p == out && text.n > 0 && text.n <= SOCK_TEXT_MAX);
    return text;
}

static void release(struct str text)
{
    free((void *)(uintptr_t)text.p);
}

static void check_printed(const struct sock_name *name, const struct sock_addr *addr)
{
    struct sock_name again;
    struct sock_addr same;
    const char *why = NULL;
    struct str text = text_of(&addr->storage, false), host = text_of(&addr->storage, true);
    ASSERT(sock_name_parse(text, STR("none"), &again, &why) == 0);
    ASSERT(sock_addr_numeric(&again, &same) == 0);
    ASSERT(sock_addr_equal(&addr->storage, &same.storage) && addr->len == same.len);
    ASSERT(again.port == name->port && str_eq(again.path, name->path));
    ASSERT(name->path.n > 0 ? str_eq(host, STR("unix")) : str_eq(host, again.host));
    ASSERT(name->path.n > 0 || sock_addr_port(&addr->storage) == name->port);
    release(host);
    release(text);
}

static bool is_one_of(struct str text, const char *const *words)
{
    for (; *words; words++) {
        if (str_eq(text, str_of(*words)))
            return true;
    }
    return false;
}

/* Nothing stands around the host but what the forms of an address have there. */
static void check_around(struct str text, struct str host)
{
    static const char *const before[] = {"", "[", "http://", "http://[", NULL};
    static const char *const after[] = {"", ":", "]", "]:", NULL};
    struct str left = str_slice(text.p, (size_t)(host.p - text.p));
    struct str right = str_slice(host.p + host.n, text.n - left.n - host.n);
    ASSERT(is_one_of(left, before));
    if (left.n >= 7 && str_ends(right, STR("/")))
        right.n--;
    while (right.n > 0 && isdigit((unsigned char)right.p[right.n - 1]))
        right.n--;
    ASSERT(is_one_of(right, after));
    ASSERT(str_ends(left, STR("[")) == str_starts(right, STR("]")));
}

static void check_name(struct str text, struct str default_host, const struct sock_name *name)
{
    struct sock_addr addr;
    ASSERT(is_inside(name->path, text));
    if (name->path.n > 0) {
        ASSERT(name->path.p[0] == '/' && name->host.n == 0);
    } else {
        ASSERT(name->port > 0);
        ASSERT(is_inside(name->host, text) || name->host.p == default_host.p);
        check_host_bytes(name->host);
        if (name->host.p != default_host.p)
            check_around(text, name->host);
    }
    int code = sock_addr_numeric(name, &addr);
    ASSERT(code == 0 || (code == -ERR_NAME_NOT_FOUND && name->path.n == 0));
    if (code == 0)
        check_printed(name, &addr);
}

static void try_text(struct str text)
{
    const struct str defaults[] = {STR("0.0.0.0"), STR("127.0.0.1"), STR("::1")};
    for (size_t i = 0; i < ARRAY_SIZE(defaults); i++) {
        struct sock_name name, before;
        const char *why = NULL;
        memset(&name, 0x5a, sizeof(name));
        before = name;
        int code = sock_name_parse(text, defaults[i], &name, &why);
        ASSERT(code == 0 || code == -ERR_BAD_ADDRESS);
        if (code == 0) {
            check_name(text, defaults[i], &name);
        } else {
            ASSERT(why && *why);
            ASSERT(memcmp(&name, &before, sizeof(name)) == 0);
        }
    }
}

static void try_storage(const uint8_t *bytes, size_t n)
{
    static const sa_family_t families[] = {AF_INET, AF_INET6, AF_UNIX, AF_UNSPEC};
    struct sockaddr_storage storage;
    memset(&storage, 0, sizeof(storage));
    memcpy(&storage, bytes, n < sizeof(storage) ? n : sizeof(storage));
    for (size_t i = 0; i < ARRAY_SIZE(families); i++) {
        storage.ss_family = families[i];
        release(text_of(&storage, false));
        release(text_of(&storage, true));
        ASSERT(sock_addr_len(&storage) <= sizeof(struct sockaddr_un));
        ASSERT(families[i] == AF_UNSPEC || sock_addr_equal(&storage, &storage));
        (void)sock_addr_port(&storage);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *bytes, size_t n)
{
    if (n == 0)
        return 0;
    if (bytes[0] == 's')
        try_storage(bytes + 1, n - 1);
    else
        try_text(str_slice((const char *)bytes + 1, n - 1));
    return 0;
}
