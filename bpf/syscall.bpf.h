/* SPDX-License-Identifier: MIT OR GPL-2.0-only */
/*
 * Any other syscall that the configuration names: its registers and its result. One program serves all;
 * the loader attaches it to each call's tracepoint and says here how the call is named, how many
 * registers it uses (the rest of the context is garbage) and whether it returns.
 */
#ifndef EDR_SYSCALL_BPF_H
#define EDR_SYSCALL_BPF_H

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, EDR_SYSCALL_NUMBERS);
	__type(key, u32);
	__type(value, struct edr_syscall_info);
} syscall_infos SEC(".maps");

static __always_inline void syscall_report(struct edr_syscall_info *info, u32 nr, u64 *args,
					   u64 enter_ns, s64 ret)
{
	struct edr_syscall e;

	header_of_current(&e.hdr, EDR_SYSCALL, sizeof(e));
	bpf_get_current_comm(e.comm, sizeof(e.comm));
	e.uid = bpf_get_current_uid_gid();
	if (filtered(&e.hdr, e.comm, e.uid))
		return;
	e.result = ret;
	e.duration_ns = e.hdr.time_ns - enter_ns;
	e.nr = nr;
	e.nargs = info->nargs;
	e.no_return = info->no_return;
	__builtin_memcpy(e.args, args, sizeof(e.args));
	__builtin_memcpy(e.name, info->name, sizeof(e.name));
	emit_noisy(&e, sizeof(e), EDR_SYSCALL);
}

SEC("tp/syscalls/sys_enter_any")
int sys_enter_any(struct syscall_enter_ctx *ctx)
{
	u32 nr = ctx->nr, n;
	struct edr_syscall_info *info = bpf_map_lookup_elem(&syscall_infos, &nr);
	struct call call = { .nr = nr };

	if (!info || !info->name[0])
		return 0;
	call.enter_ns = bpf_ktime_get_boot_ns();
	/* By a helper, not by access: the verifier would ask for six arguments of each tracepoint. */
	n = info->nargs * 8;
	if (n > sizeof(call.args))
		n = sizeof(call.args);
	bpf_probe_read_kernel(call.args, n,
			      (void *)ctx + __builtin_offsetof(struct syscall_enter_ctx, args));
	if (info->no_return)
		syscall_report(info, nr, call.args, call.enter_ns, 0);
	else if (!call_begin(&any_calls, &call))
		emit_lost(EDR_SYSCALL);
	return 0;
}

SEC("tp/syscalls/sys_exit_any")
int sys_exit_any(struct syscall_exit_ctx *ctx)
{
	struct call *call = call_of(&any_calls);
	u32 nr = ctx->nr;
	struct edr_syscall_info *info = bpf_map_lookup_elem(&syscall_infos, &nr);

	if (!call || call->nr != nr || !info)
		return 0;
	syscall_report(info, nr, call->args, call->enter_ns, ctx->ret);
	call_end(&any_calls);
	return 0;
}

#endif
