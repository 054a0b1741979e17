/*
 * The file of the SQLite coordinator, without threads: records with revisions.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_CLUSTER_SQLITE_FILE_H
#define GRI_CLUSTER_SQLITE_FILE_H

#include <granary/error.h>

typedef struct gri_sqlite_file gri_sqlite_file;

/* Asked while the file is locked by another process: whether to go on waiting. */
typedef bool (*gri_sqlite_patience_fn)(void *arg);

/* Opens; when there is none, creates it or fails by GR_ENOTFOUND. Errors: GR_EIO and GR_EMISMATCH with the
 * path and what to do. */
gr_err gri_sqlite_file_open(const char *path, bool create, gri_sqlite_patience_fn patience,
                            void *arg, gri_sqlite_file **out_file);
gri_sqlite_file *gri_sqlite_file_close(gri_sqlite_file *take_file);

typedef struct gri_sqlite_record {
    uint64_t revision;
    const uint8_t *value; /* borrowed until the next call */
    size_t value_bytes;
} gri_sqlite_record;

/*
 * Errors: GR_ECONFLICT, GR_EUNREACHABLE locked for too long, GR_EIO anything else; after GR_EIO
 * close the file. Revision 0 is "there is none". A new revision is `least` or higher, whatever the file
 * says: one that was set back would give revisions again that it has given before.
 */
gr_err gri_sqlite_file_read(gri_sqlite_file *file, const char *key, gri_sqlite_record *out_record);
gr_err gri_sqlite_file_set(gri_sqlite_file *file, const char *key, uint64_t revision,
                           const uint8_t *value, size_t value_bytes, int64_t least,
                           uint64_t *out_revision);
gr_err gri_sqlite_file_remove(gri_sqlite_file *file, const char *key, uint64_t revision);
/* The keys that begin with `prefix`, each from its `skip`th byte on and ended by a NUL, in at most
 * `room` bytes. */
gr_err gri_sqlite_file_keys(gri_sqlite_file *file, const char *prefix, size_t skip,
                            uint8_t *out_keys, size_t room, size_t *out_bytes);

/* Whether another process has written since the last call; also true when that cannot be told. */
bool gri_sqlite_file_changed(gri_sqlite_file *file);

#endif
