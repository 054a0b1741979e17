/*
 * Slices from the inside: what their files share. All with the slice's lock.
 *
 * SPDX-License-Identifier: Apache-2.0
 */
#ifndef GRI_SLICE_INTERNAL_H
#define GRI_SLICE_INTERNAL_H

#include "activation.h"

/* Asks an activation to end, and takes it out of the idle order; when that is not possible now, the sweep asks again. */
void gri_slice_ask_locked(gri_slice *slice, gri_activation *activation, gr_deactivation reason);

/* Moves the held calls out; and looks at some again, in their order. */
void gri_slice_take_held_locked(gri_slice *slice, struct gri_call_list *out_held);
void gri_slice_admit_held_locked(gri_slice *slice, struct gri_call_list *held,
                                 gri_refusals *refusals);

#endif
