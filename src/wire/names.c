/* SPDX-License-Identifier: MIT */
/*
 * Names of numbers that the kernel gives. Tables of our own, for musl has no strerrorname_np() and older headers lack the
 * newer names; the numbers are those of x86_64 and arm64, which agree.
 */
#include <errno.h>
#include <signal.h>

#include "wire/wire.h"

#define COUNT(array) (sizeof(array) / sizeof((array)[0]))

static const char *const families[] = {
	"AF_UNSPEC",	 "AF_UNIX",	 "AF_INET",	"AF_AX25",  "AF_IPX",	  "AF_APPLETALK",
	"AF_NETROM",	 "AF_BRIDGE",	 "AF_ATMPVC",	"AF_X25",   "AF_INET6",	  "AF_ROSE",
	"AF_DECnet",	 "AF_NETBEUI",	 "AF_SECURITY", "AF_KEY",   "AF_NETLINK", "AF_PACKET",
	"AF_ASH",	 "AF_ECONET",	 "AF_ATMSVC",	"AF_RDS",   "AF_SNA",	  "AF_IRDA",
	"AF_PPPOX",	 "AF_WANPIPE",	 "AF_LLC",	"AF_IB",    "AF_MPLS",	  "AF_CAN",
	"AF_TIPC",	 "AF_BLUETOOTH", "AF_IUCV",	"AF_RXRPC", "AF_ISDN",	  "AF_PHONET",
	"AF_IEEE802154", "AF_CAIF",	 "AF_ALG",	"AF_NFC",   "AF_VSOCK",	  "AF_KCM",
	"AF_QIPCRTR",	 "AF_SMC",	 "AF_XDP",	"AF_MCTP",
};

static const struct {
	unsigned number;
	const char *name;
} protocols[] = {
	{ 1, "IPPROTO_ICMP" },	     { 2, "IPPROTO_IGMP" },	 { 4, "IPPROTO_IPIP" },
	{ 6, "IPPROTO_TCP" },	     { 8, "IPPROTO_EGP" },	 { 12, "IPPROTO_PUP" },
	{ 17, "IPPROTO_UDP" },	     { 22, "IPPROTO_IDP" },	 { 29, "IPPROTO_TP" },
	{ 33, "IPPROTO_DCCP" },	     { 41, "IPPROTO_IPV6" },	 { 43, "IPPROTO_ROUTING" },
	{ 44, "IPPROTO_FRAGMENT" },  { 46, "IPPROTO_RSVP" },	 { 47, "IPPROTO_GRE" },
	{ 50, "IPPROTO_ESP" },	     { 51, "IPPROTO_AH" },	 { 58, "IPPROTO_ICMPV6" },
	{ 59, "IPPROTO_NONE" },	     { 60, "IPPROTO_DSTOPTS" },	 { 92, "IPPROTO_MTP" },
	{ 94, "IPPROTO_BEETPH" },    { 98, "IPPROTO_ENCAP" },	 { 103, "IPPROTO_PIM" },
	{ 108, "IPPROTO_COMP" },     { 115, "IPPROTO_L2TP" },	 { 132, "IPPROTO_SCTP" },
	{ 135, "IPPROTO_MH" },	     { 136, "IPPROTO_UDPLITE" }, { 137, "IPPROTO_MPLS" },
	{ 143, "IPPROTO_ETHERNET" }, { 255, "IPPROTO_RAW" },	 { 262, "IPPROTO_MPTCP" },
};

#define N(name) [name] = #name,
static const char *const errnos[] = {
	N(EPERM) N(ENOENT) N(ESRCH) N(EINTR) N(EIO) N(ENXIO) N(E2BIG) N(ENOEXEC) N(EBADF) N(
		ECHILD) N(EAGAIN) N(ENOMEM) N(EACCES) N(EFAULT) N(ENOTBLK) N(EBUSY) N(EEXIST)
		N(EXDEV) N(ENODEV) N(ENOTDIR) N(EISDIR) N(EINVAL) N(ENFILE) N(EMFILE) N(ENOTTY) N(
			ETXTBSY) N(EFBIG) N(ENOSPC) N(ESPIPE) N(EROFS) N(EMLINK) N(EPIPE) N(EDOM)
			N(ERANGE) N(EDEADLK) N(ENAMETOOLONG) N(ENOLCK) N(ENOSYS) N(ENOTEMPTY) N(
				ELOOP) N(ENOMSG) N(EIDRM) N(ECHRNG) N(EL2NSYNC) N(EL3HLT) N(EL3RST)
				N(ELNRNG) N(EUNATCH) N(ENOCSI) N(EL2HLT) N(EBADE) N(EBADR) N(EXFULL) N(ENOANO) N(EBADRQC) N(
					EBADSLT) N(EBFONT) N(ENOSTR) N(ENODATA) N(ETIME) N(ENOSR)
					N(ENONET) N(ENOPKG) N(EREMOTE) N(ENOLINK) N(EADV) N(ESRMNT) N(ECOMM) N(
						EPROTO) N(EMULTIHOP) N(EDOTDOT) N(EBADMSG) N(EOVERFLOW) N(ENOTUNIQ) N(EBADFD)
						N(EREMCHG) N(ELIBACC) N(ELIBBAD) N(ELIBSCN) N(ELIBMAX) N(ELIBEXEC) N(
							EILSEQ) N(ERESTART) N(ESTRPIPE) N(EUSERS) N(ENOTSOCK) N(EDESTADDRREQ)
							N(EMSGSIZE) N(EPROTOTYPE) N(ENOPROTOOPT) N(EPROTONOSUPPORT) N(
								ESOCKTNOSUPPORT) N(EOPNOTSUPP) N(EPFNOSUPPORT) N(EAFNOSUPPORT)
								N(EADDRINUSE) N(EADDRNOTAVAIL) N(ENETDOWN) N(ENETUNREACH) N(
									ENETRESET) N(ECONNABORTED) N(ECONNRESET) N(ENOBUFS)
									N(EISCONN) N(ENOTCONN) N(ESHUTDOWN) N(ETOOMANYREFS) N(
										ETIMEDOUT) N(ECONNREFUSED) N(EHOSTDOWN) N(EHOSTUNREACH)
										N(EALREADY) N(EINPROGRESS) N(ESTALE) N(
											EUCLEAN) N(ENOTNAM) N(ENAVAIL)
											N(EISNAM) N(EREMOTEIO) N(EDQUOT) N(
												ENOMEDIUM) N(EMEDIUMTYPE) N(ECANCELED)
												N(ENOKEY) N(EKEYEXPIRED) N(
													EKEYREVOKED) N(EKEYREJECTED)
													N(EOWNERDEAD) N(
														ENOTRECOVERABLE)
														N(ERFKILL)
															N(EHWPOISON)
};

static const char *const signals[] = {
	N(SIGHUP) N(SIGINT) N(SIGQUIT) N(SIGILL) N(SIGTRAP) N(SIGABRT) N(SIGBUS) N(SIGFPE)
		N(SIGKILL) N(SIGUSR1) N(SIGSEGV) N(SIGUSR2) N(SIGPIPE) N(SIGALRM) N(SIGTERM)
			N(SIGSTKFLT) N(SIGCHLD) N(SIGCONT) N(SIGSTOP) N(SIGTSTP) N(SIGTTIN)
				N(SIGTTOU) N(SIGURG) N(SIGXCPU) N(SIGXFSZ) N(SIGVTALRM) N(SIGPROF)
					N(SIGWINCH) N(SIGIO) N(SIGPWR) N(SIGSYS)
};
#undef N

/* include/linux/errno.h: a program never sees them, for the kernel restarts the call; a tracepoint does. */
static const char *const kernel_errnos[] = {
	"ERESTARTSYS", "ERESTARTNOINTR", "ERESTARTNOHAND", "ENOIOCTLCMD", "ERESTART_RESTARTBLOCK",
};
#define FIRST_KERNEL_ERRNO 512

const char *wire_family_name(int family)
{
	return family >= 0 && (size_t)family < COUNT(families) ? families[family] : NULL;
}

const char *wire_protocol_name(unsigned protocol)
{
	size_t i;

	/* 0 is IPPROTO_IP, "the default one": outside of IP it means nothing, and there is none with it in IP. */
	for (i = 0; i < COUNT(protocols) && protocols[i].number <= protocol; i++)
		if (protocols[i].number == protocol)
			return protocols[i].name;
	return NULL;
}

const char *wire_errno_name(int err)
{
	if (err >= FIRST_KERNEL_ERRNO && (size_t)(err - FIRST_KERNEL_ERRNO) < COUNT(kernel_errnos))
		return kernel_errnos[err - FIRST_KERNEL_ERRNO];
	return err > 0 && (size_t)err < COUNT(errnos) ? errnos[err] : NULL;
}

const char *wire_signal_name(int signal)
{
	return signal > 0 && (size_t)signal < COUNT(signals) ? signals[signal] : NULL;
}
