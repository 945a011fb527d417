# /pool-status/profile: what google-pprof makes of it, of all children and of one; form,
# arguments, headers.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

my $s = PST::Server->new('pprof', conf => "PoolStatProfile 64K\n");
ok($s->start, 'a server') or BAIL_OUT($s->start_text . $s->log_text);
my $p = PST::Probe->start('pool=request&leak_here=4096&bytes=8152', port => $s->port, ask => $s->port);
my $pid = $p->arrived('hold', 60)->{pid};
my $json = $s->json;
my ($site) = grep { ($_->{frames}[0]{function} // '') eq 'poolprobe_leak' } @{ child_of($json, $pid)->{sites} };

my $r = $s->fetch('/pool-status/profile');
is($r->{status}, 200, 'a profile');
like($r->{headers}{'content-type'} // '', qr{^text/plain\b}, 'as plain text');
like($r->{body}, qr{\Aheap profile:\s+\d+:\s+\d+ \[\s*\d+:\s+\d+\] @ heapprofile\n}, 'with the first line that pprof knows it by');
like($r->{body}, qr{\n\nMAPPED_LIBRARIES:\n}, 'and the mapped objects');
like($r->{body}, qr{^[0-9a-f]+-[0-9a-f]+ r-xp .*/mod_poolprobe\.so$}m, 'the probe among them');
my @line = $r->{body} =~ /^\s*(\d+:\s+\d+ \[\s*\d+:\s+\d+\] @(?: 0x[0-9a-f]+)+)$/mg;
cmp_ok(scalar @line, '>=', 2, 'a line for each stack');
is(scalar(grep /^\d+:\s+$site->{live_bytes} \[\s*\d+:\s+$site->{ever_bytes}\]/, @line), 1, 'the leak with the bytes that JSON has');

sub pprof {
    my ($body, @args) = @_;
    my $file = "$s->{dir}/profile.txt";
    PST::Stage::write_file($file, $body);
    my $program = readlink("/proc/$pid/exe") || '/usr/sbin/apache2';
    return scalar `google-pprof @args $program $file 2>/dev/null`;
}

SKIP: {
    skip lacks('google-pprof'), 1 if lacks('google-pprof');
    for my $of ([ 'all children', '' ], [ 'one child', "?pid=$pid" ]) {
        my $body = $s->fetch("/pool-status/profile$of->[1]")->{body};
        my $text = pprof($body, '--text');
        my @row = grep /%/, split /\n/, $text;
        like($row[0] // '', qr/\bpoolprobe_leak\b/, "google-pprof of $of->[0]: the leak is on top") or diag($text);
        my ($mb) = ($row[0] // '') =~ /^\s*([\d.]+)\s/;
        cmp_ok(abs($mb - 32), '<', 32 * 0.25, "with $mb MB of 32");
        like($text, qr/\bap_run_handler\b/, 'functions of httpd by name');
        my $unresolved = grep /\b0x[0-9a-f]{8,}|\b0{8,}[0-9a-f]{8}\b/, @row;
        cmp_ok($unresolved, '<=', @row / 4, 'most addresses have names') or diag($text);
        next if $of->[1];
        like(pprof($body, '--text --alloc_space'), qr/\bpoolprobe_leak\b/, 'and of all ever allocated');
        like(pprof($body, '--text --cum'), qr/100\.0%\s+\S*(?:start_thread|clone|_start|main)\b|probe_handler/, 'callers are found');
    }
}

for my $of (qw(pools heap mapped stack all)) {
    my $b = $s->fetch("/pool-status/profile?of=$of");
    is($b->{status}, 200, "of=$of");
    my $leaks = grep /^\s*\d+:\s+$site->{live_bytes} \[/, split /\n/, $b->{body};
    is($leaks, $of eq 'pools' || $of eq 'all' ? 1 : 0, 'has the leak in pools where it belongs');
}
is($s->fetch('/pool-status/profile?of=nothing')->{status}, 400, 'of=nothing is refused');
is($s->fetch('/pool-status/profile?pid=1')->{status}, 200, 'of a process that is none of ours: an empty one');
for my $bad (qw(pid=x sort=age kind=client vhost=a rows=5 auto refresh=5 nothing=1)) {
    my $b = $s->fetch("/pool-status/profile?$bad");
    is($b->{status}, 400, "?$bad is refused");
    my ($name) = split /=/, $bad;
    like($b->{body}, qr/"$name"/, 'by name');
}
is($s->fetch('/pool-status/profile', method => 'POST')->{status}, 405, 'POST is not for looking');
is($s->fetch('/pool-status/profile', method => 'HEAD')->{status}, 200, 'HEAD is');
$p->finish;
is($s->stop, 0, 'stops');
done_testing;
