/*
 * Greeting: how two processes agree that a connection carries their session. See link.h for the
 * states. All of it runs in the control turn.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_REMOTE_GREETING_H
#define GRI_REMOTE_GREETING_H

#include "link.h"

void gri_greeting_begin(gri_link *link);
void gri_greeting_hear(gri_link *link, const uint8_t *bytes, size_t count);
/* The connection is gone, greeted or not. */
void gri_greeting_gone(gri_link *link);

#endif
