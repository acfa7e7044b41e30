/* A sorted table of lower-case names: thousands of certificates are a listener like any other. */
#include "net/tls_names.h"

#include <openssl/bio.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

struct entry {
    char *name;
    size_t n, index;
    int kind;
};

struct tls_names {
    struct entry *entries;
    size_t count, room;
    char first[TLS_NAMES_MAX_BYTES]; /* name of the first certificate */
    size_t first_n;
};

/* start-up only: and once a reload. */
int tls_names_create(struct tls_names **ret_names)
{
    struct tls_names *names = calloc(1, sizeof(*names));

    if (!names)
        return -ERR_NO_MEMORY;
    *ret_names = names;
    return 0;
}

/* start-up only: see tls_names_create. */
void tls_names_destroy(struct tls_names **destroyed)
{
    struct tls_names *names = *destroyed;

    *destroyed = NULL;
    if (!names)
        return;
    for (size_t i = 0; i < names->count; i++)
        free(names->entries[i].name);
    free(names->entries);
    free(names);
}

static int make_room(struct tls_names *names)
{
    if (names->count < names->room)
        return 0;
    size_t room = names->room ? 2 * names->room : 16;
    struct entry *entries = realloc(names->entries, room * sizeof(*entries)); /* start-up only: see tls_names_create */
    if (!entries)
        return -ERR_NO_MEMORY;
    names->entries = entries;
    names->room = room;
    return 0;
}

static int add_name(struct tls_names *names, const ASN1_STRING *text, struct entry entry)
{
    size_t n = (size_t)ASN1_STRING_length(text);
    const unsigned char *from = ASN1_STRING_get0_data(text);

    if (n == 0 || n > TLS_NAMES_MAX_BYTES)
        return 0;
    int error = make_room(names);
    char *name = error ? NULL : malloc(n); /* start-up only: see tls_names_create */
    if (!name)
        return -ERR_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        name[i] = str_lower((char)from[i]);
    if (entry.index == 0 && names->count == 0) {
        memcpy(names->first, name, n);
        names->first_n = n;
    }
    entry.name = name;
    entry.n = n;
    names->entries[names->count++] = entry;
    return 0;
}

static int add_common_name(struct tls_names *names, const X509 *certificate, struct entry entry)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    return at < 0 ? 0 : add_name(names, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), entry);
}

int tls_names_add(struct tls_names *names, const X509 *certificate, size_t index, int kind)
{
    struct entry entry = {.index = index, .kind = kind};
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int error = 0;

    if (!all)
        return add_common_name(names, certificate, entry);
    for (int i = 0; i < (int)sk_GENERAL_NAME_num(all) && !error; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (name->type == GEN_DNS)
            error = add_name(names, name->d.dNSName, entry);
    }
    GENERAL_NAMES_free(all);
    return error;
}

static int compare_text(const struct entry *a, const struct entry *b)
{
    int bytes = memcmp(a->name, b->name, a->n < b->n ? a->n : b->n);

    if (bytes != 0)
        return bytes;
    return a->n < b->n ? -1 : a->n > b->n;
}

static int compare(const void *left, const void *right)
{
    const struct entry *a = left, *b = right;
    int text = compare_text(a, b);

    if (text != 0)
        return text;
    return a->index < b->index ? -1 : a->index > b->index;
}

/* After `kept` entries: has the name a certificate of this kind already? */
static bool has_kind(const struct tls_names *names, size_t kept, const struct entry *entry)
{
    for (size_t i = kept; i > 0 && compare_text(&names->entries[i - 1], entry) == 0; i--)
        if (names->entries[i - 1].kind == entry->kind)
            return true;
    return false;
}

/* start-up only: see tls_names_create. */
void tls_names_sort(struct tls_names *names)
{
    size_t kept = 0;

    if (names->count > 0)
        qsort(names->entries, names->count, sizeof(*names->entries), compare);
    for (size_t i = 0; i < names->count; i++) {
        if (has_kind(names, kept, &names->entries[i]))
            free(names->entries[i].name);
        else
            names->entries[kept++] = names->entries[i];
    }
    names->count = kept;
}

void tls_names_mark(const struct tls_names *names, bool *found)
{
    for (size_t i = 0; i < names->count; i++)
        found[names->entries[i].index] = true;
}

static size_t find_exact(const struct tls_names *names, const char *name, size_t n, size_t ret_found[TLS_NAMES_KINDS])
{
    struct entry wanted = {.name = (char *)(uintptr_t)name, .n = n}; /* only read */
    size_t from = 0, to = names->count, found = 0;

    while (from < to) { /* the first that is not before it */
        size_t middle = from + (to - from) / 2;
        if (compare(&names->entries[middle], &wanted) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    while (found < TLS_NAMES_KINDS && from < names->count && compare_text(&names->entries[from], &wanted) == 0)
        ret_found[found++] = names->entries[from++].index;
    return found;
}

size_t tls_names_fold(struct str name, char ret_name[TLS_NAMES_MAX_BYTES])
{
    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    if (name.n > TLS_NAMES_MAX_BYTES)
        return 0;
    for (size_t i = 0; i < name.n; i++)
        ret_name[i] = str_lower(name.p[i]);
    return name.n;
}

size_t tls_names_find(const struct tls_names *names, struct str name, size_t ret_found[TLS_NAMES_KINDS])
{
    char lower[TLS_NAMES_MAX_BYTES];
    size_t n = tls_names_fold(name, lower);
    size_t found = n > 0 ? find_exact(names, lower, n, ret_found) : 0;
    size_t dot = found == 0 ? str_find(str_slice(lower, n), '.') : 0;

    if (dot == 0 || dot == n)
        return found;
    lower[dot - 1] = '*';
    return find_exact(names, lower + dot - 1, n - dot + 1, ret_found);
}

size_t tls_names_find_others(const struct tls_names *names, size_t ret_found[TLS_NAMES_KINDS])
{
    size_t found = find_exact(names, names->first, names->first_n, ret_found);

    if (found == 0)
        ret_found[found++] = 0;
    return found;
}

/* not per request: once a handshake. */
char *tls_names_subject(const X509 *certificate)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *text = NULL, *bytes;

    if (out && X509_NAME_print_ex(out, X509_get_subject_name(certificate), 0, XN_FLAG_RFC2253) >= 0) {
        long n = BIO_get_mem_data(out, &bytes);
        text = strndup(n > 0 ? bytes : "", n > 0 ? (size_t)n : 0);
    }
    BIO_free(out);
    return text;
}
