/*
 * The file of the SQLite coordinator: its schema, its errors in words, and its few statements. One
 * thread at a time (the coordinator's own); knows nothing of queues and watches.
 *
 * Write-ahead log with synchronous=NORMAL: a commit survives the death of every process, and may be
 * lost only when the machine itself loses power. All who use the file run on that machine and die
 * with it, so nobody is left who acts by what was lost; and epochs start from the wall clock, so
 * none is used twice. FULL would pay a flush of the disk for each renewal of each lease to protect
 * nobody.
 *
 * Revisions follow the wall clock, and only where that stands still their own count: so a file that was
 * set back to what it was an hour ago does not give those of the last hour again, to other values.
 *
 * A file that was removed or replaced while it is open is noticed before each operation: otherwise
 * those who hold the old one and those who open the new one would be two clusters at one path.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#include "sqlite_file.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <sqlite3.h>

#include <gri/fail.h>
#include <gri/mem.h>

enum { SCHEMA_VERSION = 1, APPLICATION_ID = 0x4772616e /* "Gran" */ };

enum statement {
    READ,
    SET_BEGIN,
    SET_NUMBER,
    SET_RECORD,
    REMOVE_RECORD,
    KEYS,
    COMMIT,
    ROLLBACK,
    DATA_VERSION,
    STATEMENTS
};

static const char *const sql_of[STATEMENTS] = {
    [READ] = "SELECT revision, value FROM record WHERE key = ?1",
    [SET_BEGIN] = "BEGIN IMMEDIATE",
    [SET_NUMBER] = "UPDATE counter SET revision = max(revision + 1, ?1) RETURNING revision",
    [SET_RECORD] = "REPLACE INTO record (key, revision, value) VALUES (?1, ?2, ?3)",
    [REMOVE_RECORD] = "DELETE FROM record WHERE key = ?1",
    [KEYS] = "SELECT key FROM record WHERE substr(key, 1, length(?1)) = ?1",
    [COMMIT] = "COMMIT",
    [ROLLBACK] = "ROLLBACK",
    [DATA_VERSION] = "PRAGMA data_version",
};

struct gri_sqlite_file {
    char *path;
    sqlite3 *db;
    sqlite3_stmt *statements[STATEMENTS];
    dev_t device;
    ino_t inode;
    int64_t data_version;
    gri_sqlite_patience_fn patience;
    void *patience_arg;
};

/* ---- errors in words */

static gr_err explain_cannot_open(const char *path)
{
    char folder[1024];
    const char *slash = strrchr(path, '/');
    struct stat is;

    if (slash != NULL && (size_t)(slash - path) < sizeof(folder)) {
        memcpy(folder, path, (size_t)(slash - path));
        folder[slash - path] = '\0';
        if (folder[0] != '\0' && stat(folder, &is) != 0 && errno == ENOENT) {
            return GRI_FAIL(GR_EIO, "cannot open '%s': there is no directory '%s'; create it", path,
                            folder);
        }
        if (folder[0] != '\0' && stat(folder, &is) == 0 && !S_ISDIR(is.st_mode)) {
            return GRI_FAIL(GR_EIO, "cannot open '%s': '%s' is not a directory", path, folder);
        }
    }
    if (stat(path, &is) == 0 && S_ISDIR(is.st_mode)) {
        return GRI_FAIL(GR_EIO, "'%s' is a directory; name a file in it", path);
    }
    return GRI_FAIL(GR_EIO,
                    "cannot open '%s'; give this user write access to the file and its directory",
                    path);
}

static gr_err check_still_there(const gri_sqlite_file *file)
{
    struct stat is;

    if (stat(file->path, &is) != 0 || is.st_dev != file->device || is.st_ino != file->inode) {
        return GRI_FAIL(GR_EIO, "'%s' was removed or replaced while it was in use", file->path);
    }
    return GR_OK;
}

/* What is still unclear by its text is often a file that was taken away. */
static gr_err explain_other(const gri_sqlite_file *file, int status)
{
    if (file->inode != 0 && check_still_there(file) != GR_OK) {
        return GR_EIO;
    }
    return GRI_FAIL(GR_EIO, "'%s': %s; was it, or a file that belongs to it, removed or replaced?",
                    file->path,
                    file->db == NULL ? sqlite3_errstr(status) : sqlite3_errmsg(file->db));
}

static gr_err explain(const gri_sqlite_file *file, int status)
{
    switch (status & 0xff) {
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
        return GRI_FAIL(GR_EUNREACHABLE, "'%s' is locked by another process", file->path);
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
    case SQLITE_AUTH:
        return explain_cannot_open(file->path);
    case SQLITE_READONLY:
        return GRI_FAIL(GR_EIO,
                        "'%s' is read-only; give this user write access to it and to its "
                        "directory, or name another path",
                        file->path);
    case SQLITE_NOTADB:
        return GRI_FAIL(GR_EIO, "'%s' is not an SQLite database; name another path, or remove it",
                        file->path);
    case SQLITE_CORRUPT:
        return GRI_FAIL(GR_EIO,
                        "'%s' is damaged; stop all nodes that use it, remove it and start again",
                        file->path);
    case SQLITE_FULL:
        return GRI_FAIL(GR_EIO, "the disk that holds '%s' is full", file->path);
    case SQLITE_NOMEM:
        return GRI_FAIL(GR_ENOMEM, "SQLite, for '%s'", file->path);
    case SQLITE_IOERR:
        return explain_other(file, status);
    default:
        return GRI_FAIL(GR_EIO, "'%s': %s", file->path,
                        file->db == NULL ? sqlite3_errstr(status) : sqlite3_errmsg(file->db));
    }
}

/* ---- opening */

static int on_busy(void *arg, int times)
{
    gri_sqlite_file *file = arg;

    (void)times;
    if (!file->patience(file->patience_arg)) {
        return 0;
    }
    sqlite3_sleep(2); /* SQLite has nothing to wait on: who holds the lock is another process */
    return 1;
}

static gr_err execute(gri_sqlite_file *file, const char *sql)
{
    int status = sqlite3_exec(file->db, sql, NULL, NULL, NULL);

    return status == SQLITE_OK ? GR_OK : explain(file, status);
}

static gr_err read_number(gri_sqlite_file *file, const char *sql, int64_t *out_number)
{
    sqlite3_stmt *statement = NULL;
    int status = sqlite3_prepare_v2(file->db, sql, -1, &statement, NULL);

    if (status == SQLITE_OK) {
        status = sqlite3_step(statement);
    }
    if (status == SQLITE_ROW) {
        *out_number = sqlite3_column_int64(statement, 0);
    }
    sqlite3_finalize(statement);
    return status == SQLITE_ROW ? GR_OK : explain(file, status);
}

/* Changing the journal mode ends at once when another process does the same, without asking
 * on_busy(). */
static gr_err use_write_ahead_log(gri_sqlite_file *file)
{
    gr_err err = GR_OK;

    do {
        err = execute(file, "PRAGMA journal_mode = WAL");
    } while (err == GR_EUNREACHABLE && on_busy(file, 0));
    return err == GR_OK ? execute(file, "PRAGMA synchronous = NORMAL") : err;
}

static gr_err create_schema(gri_sqlite_file *file)
{
    char sql[512];

    (void)sqlite3_snprintf(
        sizeof(sql), sql,
        "PRAGMA application_id = %d;"
        "PRAGMA user_version = %d;"
        "CREATE TABLE record (key TEXT PRIMARY KEY NOT NULL, revision INTEGER NOT NULL,"
        " value BLOB NOT NULL);"
        "CREATE TABLE counter (one INTEGER PRIMARY KEY CHECK (one = 1), revision INTEGER NOT NULL);"
        "INSERT INTO counter VALUES (1, 0);",
        APPLICATION_ID, SCHEMA_VERSION);
    return execute(file, sql);
}

static gr_err fail_missing(const char *path, const char *what)
{
    return GRI_FAIL(GR_ENOTFOUND,
                    "%s at '%s': either no node has been started with it yet, or the path is wrong",
                    what, path);
}

/* In one transaction, so that of many who open a new file at once one makes the tables. */
static gr_err check_schema(gri_sqlite_file *file, bool create)
{
    int64_t tables = 0;
    int64_t application = 0;
    int64_t version = 0;
    gr_err err = execute(file, create ? "BEGIN IMMEDIATE" : "BEGIN");

    if (err != GR_OK) {
        return err;
    }
    err = read_number(file, "SELECT count(*) FROM sqlite_schema", &tables);
    if (err == GR_OK) {
        err = read_number(file, "PRAGMA application_id", &application);
    }
    if (err == GR_OK) {
        err = read_number(file, "PRAGMA user_version", &version);
    }
    if (err == GR_OK && tables == 0 && application == 0) {
        err = create ? create_schema(file) : fail_missing(file->path, "there is an empty file");
    } else if (err == GR_OK && application != APPLICATION_ID) {
        err = GRI_FAIL(GR_EIO, "'%s' is the database of another program; name another path",
                       file->path);
    } else if (err == GR_OK && version != SCHEMA_VERSION) {
        err = GRI_FAIL(GR_EMISMATCH,
                       "'%s' has schema version %lld and this program needs %d; run the same "
                       "version everywhere, or stop all nodes and remove the file",
                       file->path, (long long)version, SCHEMA_VERSION);
    }
    if (err != GR_OK) {
        (void)sqlite3_exec(file->db, "ROLLBACK", NULL, NULL, NULL);
        return err;
    }
    return execute(file, "COMMIT");
}

static gr_err prepare(gri_sqlite_file *file)
{
    int status = SQLITE_OK;
    size_t i = 0;

    for (i = 0; status == SQLITE_OK && i < STATEMENTS; i++) {
        status = sqlite3_prepare_v3(file->db, sql_of[i], -1, SQLITE_PREPARE_PERSISTENT,
                                    &file->statements[i], NULL);
    }
    return status == SQLITE_OK ? GR_OK : explain(file, status);
}

static gr_err open_database(gri_sqlite_file *file, bool create)
{
    struct stat is;
    int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | (create ? SQLITE_OPEN_CREATE : 0);
    int status = SQLITE_OK;

    if (!create && stat(file->path, &is) != 0 && (errno == ENOENT || errno == ENOTDIR)) {
        return fail_missing(file->path, "there is no file");
    }
    status = sqlite3_open_v2(file->path, &file->db, flags, NULL);
    if (status == SQLITE_OK) {
        (void)sqlite3_extended_result_codes(file->db, 1);
        status = sqlite3_busy_handler(file->db, on_busy, file);
    }
    if (status != SQLITE_OK) {
        return explain(file, status);
    }
    if (sqlite3_db_readonly(file->db, "main") == 1) {
        return explain(file, SQLITE_READONLY);
    }
    if (stat(file->path, &is) != 0) {
        return explain(file, SQLITE_CANTOPEN);
    }
    file->device = is.st_dev;
    file->inode = is.st_ino;
    return GR_OK;
}

gr_err gri_sqlite_file_open(const char *path, bool create, gri_sqlite_patience_fn patience,
                            void *arg, gri_sqlite_file **out_file)
{
    gri_sqlite_file *file = gri_calloc(1, sizeof(*file));
    gr_err err = GR_OK;

    if (file == NULL || (file->path = gri_strdup(path)) == NULL) {
        gri_free(file);
        return GRI_FAIL(GR_ENOMEM, "opening '%s'", path);
    }
    file->patience = patience;
    file->patience_arg = arg;
    err = open_database(file, create);
    if (err == GR_OK && create) {
        err = use_write_ahead_log(file);
    }
    if (err == GR_OK) {
        err = check_schema(file, create);
    }
    if (err == GR_OK) {
        err = prepare(file);
    }
    if (err != GR_OK) {
        gri_sqlite_file_close(file);
        return err;
    }
    *out_file = file;
    return GR_OK;
}

gri_sqlite_file *gri_sqlite_file_close(gri_sqlite_file *take_file)
{
    size_t i = 0;

    if (take_file == NULL) {
        return NULL;
    }
    for (i = 0; i < STATEMENTS; i++) {
        sqlite3_finalize(take_file->statements[i]);
    }
    (void)sqlite3_close_v2(take_file->db);
    gri_free(take_file->path);
    gri_free(take_file);
    return NULL;
}

/* ---- records */

/* Runs a statement that gives no row. */
static gr_err run(gri_sqlite_file *file, enum statement which)
{
    int status = sqlite3_step(file->statements[which]);
    gr_err err = status == SQLITE_DONE || status == SQLITE_ROW ? GR_OK : explain(file, status);

    (void)sqlite3_reset(file->statements[which]);
    return err;
}

static gr_err read_record(gri_sqlite_file *file, const char *key, gri_sqlite_record *out_record)
{
    sqlite3_stmt *statement = file->statements[READ];
    int status = SQLITE_OK;

    (void)sqlite3_reset(statement);
    status = sqlite3_bind_text(statement, 1, key, -1, SQLITE_TRANSIENT);
    if (status == SQLITE_OK) {
        status = sqlite3_step(statement);
    }
    if (status == SQLITE_DONE) {
        *out_record = (gri_sqlite_record){0};
        return GR_OK;
    }
    if (status != SQLITE_ROW) {
        return explain(file, status);
    }
    out_record->revision = (uint64_t)sqlite3_column_int64(statement, 0);
    out_record->value = sqlite3_column_blob(statement, 1);
    out_record->value_bytes = (size_t)sqlite3_column_bytes(statement, 1);
    return GR_OK;
}

gr_err gri_sqlite_file_read(gri_sqlite_file *file, const char *key, gri_sqlite_record *out_record)
{
    gr_err err = check_still_there(file);

    return err == GR_OK ? read_record(file, key, out_record) : err;
}

/* Begins the transaction of a change and makes sure that the key is at `revision`. */
static gr_err begin_at(gri_sqlite_file *file, const char *key, uint64_t revision)
{
    gri_sqlite_record record = {0};
    gr_err err = check_still_there(file);

    if (err == GR_OK) {
        (void)sqlite3_reset(file->statements[READ]); /* ends the last read */
        err = run(file, SET_BEGIN);
    }
    if (err != GR_OK) {
        return err;
    }
    err = read_record(file, key, &record);
    (void)sqlite3_reset(file->statements[READ]);
    if (err == GR_OK && record.revision != revision) {
        err = GRI_FAIL(GR_ECONFLICT, "'%s' is at revision %llu, not %llu", key,
                       (unsigned long long)record.revision, (unsigned long long)revision);
    }
    if (err != GR_OK) {
        gr_error detail = *gr_last_error();

        (void)run(file, ROLLBACK);
        return gr_error_set(detail.code, detail.file, detail.line, "%s", detail.text);
    }
    return GR_OK;
}

static gr_err end_change(gri_sqlite_file *file, gr_err err)
{
    if (err == GR_OK) {
        err = run(file, COMMIT);
    }
    if (err != GR_OK && sqlite3_get_autocommit(file->db) == 0) {
        gr_error detail = *gr_last_error();

        (void)run(file, ROLLBACK);
        return gr_error_set(detail.code, detail.file, detail.line, "%s", detail.text);
    }
    return err;
}

static gr_err next_number(gri_sqlite_file *file, int64_t least, int64_t *out_number)
{
    sqlite3_stmt *statement = file->statements[SET_NUMBER];
    int status = sqlite3_bind_int64(statement, 1, least);
    gr_err err = GR_OK;

    if (status == SQLITE_OK) {
        status = sqlite3_step(statement);
    }
    if (status == SQLITE_ROW) {
        *out_number = sqlite3_column_int64(statement, 0);
        status = sqlite3_step(statement);
    }
    err = status == SQLITE_DONE ? GR_OK : explain(file, status);
    (void)sqlite3_reset(statement);
    return err;
}

static gr_err write_record(gri_sqlite_file *file, const char *key, int64_t revision,
                           const uint8_t *value, size_t value_bytes)
{
    sqlite3_stmt *statement = file->statements[SET_RECORD];
    int status = sqlite3_bind_text(statement, 1, key, -1, SQLITE_STATIC);

    if (status == SQLITE_OK) {
        status = sqlite3_bind_int64(statement, 2, revision);
    }
    if (status == SQLITE_OK) {
        status = value_bytes == 0
                     ? sqlite3_bind_zeroblob(statement, 3, 0)
                     : sqlite3_bind_blob(statement, 3, value, (int)value_bytes, SQLITE_STATIC);
    }
    if (status != SQLITE_OK) {
        return explain(file, status);
    }
    return run(file, SET_RECORD);
}

gr_err gri_sqlite_file_set(gri_sqlite_file *file, const char *key, uint64_t revision,
                           const uint8_t *value, size_t value_bytes, int64_t least,
                           uint64_t *out_revision)
{
    int64_t number = 0;
    gr_err err = begin_at(file, key, revision);

    if (err != GR_OK) {
        return err;
    }
    err = next_number(file, least, &number);
    if (err == GR_OK) {
        err = write_record(file, key, number, value, value_bytes);
    }
    err = end_change(file, err);
    if (err == GR_OK) {
        *out_revision = (uint64_t)number;
    }
    return err;
}

gr_err gri_sqlite_file_remove(gri_sqlite_file *file, const char *key, uint64_t revision)
{
    gr_err err = begin_at(file, key, revision);
    int status = SQLITE_OK;

    if (err != GR_OK) {
        return err;
    }
    status = sqlite3_bind_text(file->statements[REMOVE_RECORD], 1, key, -1, SQLITE_STATIC);
    return end_change(file, status == SQLITE_OK ? run(file, REMOVE_RECORD) : explain(file, status));
}

gr_err gri_sqlite_file_keys(gri_sqlite_file *file, const char *prefix, size_t skip,
                            uint8_t *out_keys, size_t room, size_t *out_bytes)
{
    sqlite3_stmt *statement = file->statements[KEYS];
    gr_err err = check_still_there(file);
    size_t used = 0;
    int status = SQLITE_OK;

    if (err != GR_OK) {
        return err;
    }
    status = sqlite3_bind_text(statement, 1, prefix, -1, SQLITE_STATIC);
    while (status == SQLITE_OK || status == SQLITE_ROW) {
        status = sqlite3_step(statement);
        if (status == SQLITE_ROW) {
            const unsigned char *key = sqlite3_column_text(statement, 0);
            size_t bytes = (size_t)sqlite3_column_bytes(statement, 0) + 1 - skip;

            if (key != NULL && used + bytes <= room) {
                memcpy(out_keys + used, key + skip, bytes);
                used += bytes;
            }
        }
    }
    err = status == SQLITE_DONE ? GR_OK : explain(file, status);
    (void)sqlite3_reset(statement);
    if (err == GR_OK) {
        *out_bytes = used;
    }
    return err;
}

bool gri_sqlite_file_changed(gri_sqlite_file *file)
{
    sqlite3_stmt *statement = file->statements[DATA_VERSION];
    bool changed = true;

    if (check_still_there(file) != GR_OK) {
        return true;
    }
    (void)sqlite3_reset(file->statements[READ]); /* a read that is still open sees the past */
    if (sqlite3_step(statement) == SQLITE_ROW) {
        int64_t version = sqlite3_column_int64(statement, 0);

        changed = version != file->data_version;
        file->data_version = version;
    }
    (void)sqlite3_reset(statement);
    return changed;
}
