# What the module asks of the system may be refused: /proc is not there, or not to be read, or any one call fails. httpd starts
# and serves; what is not known is said.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my $threaded = mpm() ne 'prefork';

# Everybody is served by every child, in the end; nobody died; nothing is left writable. $without: a child may be without the board,
# and then says so. @return the level of each child
sub serves_well {
    my ($s, $name, $without) = @_;
    my $wrong = 0;
    for (1 .. 40) { $wrong++ if $s->fetch('/small.txt')->{status} != 200 }
    is($wrong, 0, "$name: requests are answered");
    my %level;
    my $settled = wait_for(sub {
        my $json = eval { $s->json } // return 0;
        %level = map { $_->{pid} => $_->{level} } @{ $json->{children} };
        return @{ $json->{children} } > 0;
    }, 10);
    ok($settled, "$name: the page's figures are there");
    for my $face (qw(/pool-status /pool-status?auto /pool-status/metrics /pool-status/history)) {
        my $status;
        wait_for(sub {
            my $r = $s->fetch($face);
            $status = $r->{status};
            return $status != 503 || !$without || $r->{body} !~ /This child could not open the board/;
        }, 10);
        is($status, 200, "$name: $face");
    }
    ok($s->graceful, "$name: a graceful restart");
    ok($s->answers(15), "$name: answers after it");
    is($s->stop, 0, "$name: stops");
    unlike($s->log_text, qr/exit signal|Assertion|AddressSanitizer/, "$name: no crash");
    return \%level;
}

sub mounts {
    my ($script) = @_;
    return ('unshare', '-m', 'sh', '-c', "$script && exec \"\$@\"", 'sh');
}

my %proc = (
    'no /proc at all' => [ 'mount -t tmpfs none /proc', 'hooks', qr/PST0005: pools are not instrumented: .*\/proc\/self\/maps/ ],
    'a /proc of other rights' => [ 'mount -t proc -o hidepid=2 proc /proc', 'full', undef ],
    'a list of mappings without mappings' => [ 'mkdir -p t/x; mount -t tmpfs none /proc && mkdir /proc/self && : >/proc/self/maps', 'hooks',
        qr/PST0005: pools are not instrumented: .*\/proc\/self\/maps/ ],
    'a list of mappings that is cut' => [ 'head -c 1000 /proc/self/maps >/tmp/cut.$$ && mount -t tmpfs none /proc && mkdir /proc/self '
          . '&& mv /tmp/cut.$$ /proc/self/maps', 'hooks', qr/PST0005: pools are not instrumented: .*\/proc\/self\/maps/ ],
);

SKIP: {
    skip 'mounts: for root', 1 if $> != 0;
    skip 'no private mounts here', 1 if system("unshare -m mount -t tmpfs none /proc 2>/dev/null") != 0;
    for my $name (sort keys %proc) {
        my ($script, $level, $line) = @{ $proc{$name} };
        $script =~ s/^mkdir -p t\/x; //;
        my $s = PST::Server->new('proc', wrap => [ mounts($script) ]);
        ok($s->start, "$name: starts") or diag($s->start_text, $s->log_text), next;
        my %seen = reverse %{ serves_well($s, $name) };
        is(join(' ', sort keys %seen), $level, "$name: the level");
        my $said = () = $s->log_text =~ /PST0005/g;
        if ($line) {
            like($s->log_text, $line, "$name: the log says why");
        }
        else {
            is($said, 0, "$name: no complaint");
        }
    }
}

SKIP: {
    skip 'ChrootDir: for root', 1 if $> != 0;
    my $s = PST::Server->new('chroot');
    $s->write_conf(conf => "ChrootDir \"$s->{dir}\"\nDocumentRoot \"$s->{dir}/htdocs\"\n");
    # the same path before and after the change of the root
    for my $root ('', $s->{dir}) {
        system('mkdir', '-p', "$root$s->{dir}");
        system('cp', '-r', stage()->{top} . '/t/htdocs', "$root$s->{dir}/htdocs");
    }
    ok($s->start, 'ChrootDir: starts') or diag($s->start_text, $s->log_text);
    my %seen = reverse %{ serves_well($s, 'ChrootDir') };
    is(join(' ', sort keys %seen), 'hooks', 'ChrootDir: the level');
    like($s->log_text, qr/PST0005: pools are not instrumented: .*\/proc\/self\/maps/, 'ChrootDir: the log says why');
}

# Any one call of ours fails, another one in each child, or all from one on.
my $shim = stage()->{top} . '/t/logs/fail.so';
SKIP: {
    my $cc = `apxs -q CC`;
    chomp $cc;
    skip 'no compiler', 1
      if system(qq($cc -shared -fPIC -O1 -o "$shim" "@{[ stage()->{top} ]}/t/shim/fail.c" 2>/dev/null)) != 0;
    my $children = 24;
    my $limits = $threaded
      ? "StartServers $children\nServerLimit 32\nThreadsPerChild 2\nThreadLimit 2\nMinSpareThreads 1\nMaxSpareThreads 64\nMaxRequestWorkers 64\n"
      : "StartServers $children\nMinSpareServers 1\nMaxSpareServers 40\nServerLimit 40\nMaxRequestWorkers 40\n";
    for my $kind (qw(open mmap malloc mprotect)) {
        for my $how (qw(one all)) {
            my $name = "$kind, $how";
            # while the heap profile is on, everybody's malloc comes from our wrappers
            my $s = PST::Server->new('shim', limits => $limits, conf => $kind eq 'malloc' ? "PoolStatHeapProfile Off\n" : '',
                env => { LD_PRELOAD => $shim, PST_FAIL => $kind, PST_FAIL_HOW => $how });
            ok($s->start, "$name: starts") or diag($s->start_text, $s->log_text), next;
            ok(wait_for(sub { my $j = eval { $s->json }; $j && @{ $j->{children} } >= $children / 2 }, 20), "$name: children are there");
            serves_well($s, $name, $kind =~ /open|mmap/);
        }
    }

    # In the parent, whichever call it is. Without a board pool-status says so, as the log does, and a graceful restart makes
    # one if it can.
    my %seen;
    my @parent = ([ 'open', 'one', 1 ], [ 'open', 'one', 2 ], [ 'open', 'one', 3 ], [ 'open', 'all', 1 ], [ 'mmap', 'one', 1 ], [ 'malloc', 'all', 1 ]);
    for my $case (@parent) {
        my ($kind, $how, $n) = @$case;
        my $name = "in the parent: $kind, $how, $n";
        my $s = PST::Server->new('parent',
            env => { LD_PRELOAD => $shim, PST_FAIL => $kind, PST_FAIL_HOW => $how, PST_FAIL_PARENT => $n });
        ok($s->start, "$name: starts") or diag($s->start_text, $s->log_text), next;
        my $status = $s->log_text =~ /PST0002/ ? 503 : 200;
        is($s->fetch('/pool-status?auto')->{status}, $status, "$name: pool-status says what the log tells");
        $seen{$status}++;
        ok($s->graceful, "$name: a graceful restart");
        my $after = $how eq 'one' ? 200 : $status;
        my $got;
        wait_for(sub { ($got = $s->fetch('/pool-status?auto')->{status}) == $after }, 10);
        is($got, $after, "$name: $after after it");
        is($s->fetch('/small.txt')->{status}, 200, "$name: it serves");
        is($s->stop, 0, "$name: stops");
        unlike($s->log_text, qr/exit signal|Assertion/, "$name: no crash");
    }
    is(join(' ', sort keys %seen), '200 503', 'with a board, and without');
}
done_testing;
