/*
 * Where the Consul agent is: the URL of the coordinator, and the variables that Consul's own tools
 * honour. Read once, when the coordinator is opened; secrets come from the environment only, because
 * URLs end up in logs and process lists.
 *
 *   consul://HOST:PORT/PREFIX?dc=NAME     each part may be left out
 *
 *   CONSUL_HTTP_ADDR         HOST:PORT, http://HOST:PORT or https://HOST:PORT; default 127.0.0.1:8500
 *   CONSUL_HTTP_SSL          true: speak TLS
 *   CONSUL_HTTP_TOKEN        or CONSUL_HTTP_TOKEN_FILE, which holds it
 *   CONSUL_TLS_SERVER_NAME   the name in the agent's certificate, when it is not HOST
 *   and, read in consul.c, CONSUL_HTTP_SSL_VERIFY, CONSUL_HTTP_AUTH, CONSUL_CACERT, CONSUL_CAPATH,
 *   CONSUL_CLIENT_CERT, CONSUL_CLIENT_KEY
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "consul.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include <gri/fail.h>
#include <gri/mem.h>

#define DEFAULT_ADDRESS "127.0.0.1:8500"
#define DEFAULT_PREFIX  "granary"

enum { TOKEN_BYTES_MAX = 4096 };

const char *gri_consul_variable(const char *name)
{
    const char *value = getenv(name);

    return value == NULL || value[0] == '\0' ? NULL : value;
}

static bool is_true(const char *value)
{
    return value != NULL && (strcmp(value, "1") == 0 || strcasecmp(value, "true") == 0);
}

void gri_consul_where_fini(gri_consul_where *where)
{
    gri_free(where->url);
    gri_free(where->connect_to);
    gri_free(where->prefix);
    gri_free(where->datacenter);
    gri_free(where->token);
    *where = (gri_consul_where){0};
}

static char *copy_part(const char *from, size_t count)
{
    return gri_text("%.*s", (int)count, from);
}

/* "//HOST:PORT/PREFIX?dc=NAME" into its parts; *out_address is empty when none is named. */
static gr_err read_url(const char *where, char **out_address, gri_consul_where *parts)
{
    const char *at = strncmp(where, "//", 2) == 0 ? where + 2 : where;
    size_t address = strcspn(at, "/?");
    const char *path = at + address + (at[address] == '/');
    size_t prefix = strcspn(path, "?");
    const char *query = path + prefix;

    while (prefix > 0 && path[prefix - 1] == '/') {
        prefix--;
    }
    if (query[0] == '?' && (strncmp(query, "?dc=", 4) != 0 || strchr(query, '&') != NULL)) {
        return GRI_FAIL(GR_EINVAL, "'consul:%s': the only thing to follow '?' is dc=NAME", where);
    }
    parts->datacenter = query[0] == '?' ? gri_strdup(query + 4) : NULL;
    parts->prefix = prefix == 0 ? gri_strdup(DEFAULT_PREFIX) : copy_part(path, prefix);
    *out_address = copy_part(at, address);
    if (*out_address == NULL || parts->prefix == NULL ||
        (query[0] == '?' && parts->datacenter == NULL)) {
        return GRI_FAIL(GR_ENOMEM, "the coordinator 'consul:%s'", where);
    }
    return GR_OK;
}

static gr_err read_token_file(const char *path, char **out_token)
{
    char token[TOKEN_BYTES_MAX];
    FILE *file = fopen(path, "re");
    size_t count = file == NULL ? 0 : fread(token, 1, sizeof(token) - 1, file);

    if (file == NULL) {
        return GRI_FAIL(GR_EIO, "cannot read CONSUL_HTTP_TOKEN_FILE '%s': %s", path,
                        strerror(errno));
    }
    (void)fclose(file);
    token[count] = '\0';
    token[strcspn(token, "\r\n")] = '\0';
    *out_token = gri_strdup(token);
    return *out_token == NULL ? GRI_FAIL(GR_ENOMEM, "a token") : GR_OK;
}

static gr_err read_token(char **out_token)
{
    const char *token = gri_consul_variable("CONSUL_HTTP_TOKEN");
    const char *file = gri_consul_variable("CONSUL_HTTP_TOKEN_FILE");

    if (token == NULL) {
        return file == NULL ? GR_OK : read_token_file(file, out_token);
    }
    if (strpbrk(token, "\r\n") != NULL) {
        return GRI_FAIL(GR_EINVAL, "CONSUL_HTTP_TOKEN has more than one line");
    }
    *out_token = gri_strdup(token);
    return *out_token == NULL ? GRI_FAIL(GR_ENOMEM, "a token") : GR_OK;
}

static const char *without_scheme(const char *address, bool *out_tls)
{
    if (strncmp(address, "https://", 8) == 0) {
        *out_tls = true;
        return address + 8;
    }
    return strncmp(address, "http://", 7) == 0 ? address + 7 : address;
}

static gr_err make_url(const char *address, gri_consul_where *parts)
{
    bool tls = is_true(gri_consul_variable("CONSUL_HTTP_SSL"));
    const char *name = gri_consul_variable("CONSUL_TLS_SERVER_NAME");
    const char *host = without_scheme(address, &tls);
    const char *port = strrchr(host, ':');

    if (strncmp(address, "unix:", 5) == 0 || port == NULL || port == host || port[1] == '\0' ||
        strspn(port + 1, "0123456789") != strlen(port + 1)) {
        return GRI_FAIL(GR_EINVAL,
                        "the Consul agent's address is '%s', from %s; it has to be HOST:PORT",
                        address, parts->from == NULL ? "what follows consul:" : parts->from);
    }
    if (tls && name != NULL) {
        parts->connect_to = gri_strdup(host);
        parts->url = gri_text("https://%s%s", name, port);
    } else {
        parts->url = gri_text("%s://%s", tls ? "https" : "http", host);
    }
    if (parts->url == NULL || (tls && name != NULL && parts->connect_to == NULL)) {
        return GRI_FAIL(GR_ENOMEM, "the Consul agent's URL");
    }
    return GR_OK;
}

gr_err gri_consul_where_read(const char *where, gri_consul_where *out_where)
{
    gri_consul_where parts = {0};
    char *address = NULL;
    const char *chosen = NULL;
    gr_err err = read_url(where == NULL ? "" : where, &address, &parts);

    if (err == GR_OK) {
        chosen = address[0] != '\0' ? address : gri_consul_variable("CONSUL_HTTP_ADDR");
        parts.from = address[0] != '\0' ? NULL
                     : chosen != NULL   ? "CONSUL_HTTP_ADDR"
                                        : "the default";
        err = make_url(chosen == NULL ? DEFAULT_ADDRESS : chosen, &parts);
    }
    if (err == GR_OK) {
        err = read_token(&parts.token);
    }
    gri_free(address);
    if (err != GR_OK) {
        gri_consul_where_fini(&parts);
        return err;
    }
    *out_where = parts;
    return GR_OK;
}
