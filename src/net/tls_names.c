/* A sorted table of lower-case names: thousands of certificates are a listener like any other. */
#include "net/tls_names.h"

#include <openssl/bio.h>
#include <openssl/x509v3.h>
#include <stdlib.h>

enum { NAME_MAX_BYTES = 255 };

struct entry {
    char *name;
    size_t n, index;
};

struct tls_names {
    struct entry *entries;
    size_t count, room;
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

static int add_name(struct tls_names *names, const ASN1_STRING *text, size_t index)
{
    size_t n = (size_t)ASN1_STRING_length(text);
    const unsigned char *from = ASN1_STRING_get0_data(text);

    if (n == 0 || n > NAME_MAX_BYTES)
        return 0;
    int error = make_room(names);
    char *name = error ? NULL : malloc(n); /* start-up only: see tls_names_create */
    if (!name)
        return -ERR_NO_MEMORY;
    for (size_t i = 0; i < n; i++)
        name[i] = str_lower((char)from[i]);
    names->entries[names->count++] = (struct entry){name, n, index};
    return 0;
}

static int add_common_name(struct tls_names *names, const X509 *certificate, size_t index)
{
    const X509_NAME *subject = X509_get_subject_name(certificate);
    int at = X509_NAME_get_index_by_NID(subject, NID_commonName, -1);

    return at < 0 ? 0 : add_name(names, X509_NAME_ENTRY_get_data(X509_NAME_get_entry(subject, at)), index);
}

int tls_names_add(struct tls_names *names, const X509 *certificate, size_t index)
{
    GENERAL_NAMES *all = X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    int error = 0;

    if (!all)
        return add_common_name(names, certificate, index);
    for (int i = 0; i < (int)sk_GENERAL_NAME_num(all) && !error; i++) {
        const GENERAL_NAME *name = sk_GENERAL_NAME_value(all, i);
        if (name->type == GEN_DNS)
            error = add_name(names, name->d.dNSName, index);
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

void tls_names_sort(struct tls_names *names)
{
    if (names->count > 0)
        qsort(names->entries, names->count, sizeof(*names->entries), compare);
}

void tls_names_mark(const struct tls_names *names, bool *found)
{
    for (size_t i = 0; i < names->count; i++)
        if (i == 0 || compare_text(&names->entries[i - 1], &names->entries[i]) != 0)
            found[names->entries[i].index] = true;
}

static bool find_exact(const struct tls_names *names, char *name, size_t n, size_t *ret_index)
{
    struct entry wanted = {name, n, 0};
    size_t from = 0, to = names->count;

    while (from < to) { /* the first that is not before it */
        size_t middle = from + (to - from) / 2;
        if (compare(&names->entries[middle], &wanted) < 0)
            from = middle + 1;
        else
            to = middle;
    }
    if (from == names->count || compare_text(&names->entries[from], &wanted) != 0)
        return false;
    *ret_index = names->entries[from].index;
    return true;
}

bool tls_names_find(const struct tls_names *names, struct str name, size_t *ret_index)
{
    char lower[NAME_MAX_BYTES];

    if (name.n > 0 && name.p[name.n - 1] == '.')
        name.n--;
    if (name.n == 0 || name.n > sizeof(lower))
        return false;
    for (size_t i = 0; i < name.n; i++)
        lower[i] = str_lower(name.p[i]);
    if (find_exact(names, lower, name.n, ret_index))
        return true;
    size_t dot = str_find(str_slice(lower, name.n), '.');
    if (dot == 0 || dot == name.n)
        return false;
    lower[dot - 1] = '*';
    return find_exact(names, lower + dot - 1, name.n - dot + 1, ret_index);
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
