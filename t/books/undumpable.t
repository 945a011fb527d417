# As production servers are: no CoreDumpDirectory. A child that has changed its user from root may then not read its own
# /proc/self/pagemap; its books are the same all the same, and are held against what root sees from outside.
use strict;
use warnings;
use PST;
use PST::Books;
use PST::Server;
use Test::More;

plan skip_all => 'children change their user only if root starts httpd' if $> != 0;
plan skip_all => 'AddressSanitizer has mappings of its own' if stage()->{san};
my ($libc)   = `getconf GNU_LIBC_VERSION` =~ /(\d+\.\d+)/;
my ($kernel) = `uname -r` =~ /^(\d+\.\d+)/;
my $number = sub { my ($major, $minor) = split /\./, $_[0] // '0.0'; return $major * 1000 + $minor };
plan skip_all => "glibc $libc leaves stacks' guards to the kernel: from outside nobody sees where stacks are"
  if $number->($libc) >= $number->('2.42') && $number->($kernel) >= $number->('6.13');

my $MB = 1024 * 1024;
my $limits = mpm() eq 'prefork' ? "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nServerLimit 1\nMaxRequestWorkers 1\n"
    : "StartServers 1\nServerLimit 1\nThreadsPerChild 8\nThreadLimit 8\nMinSpareThreads 1\nMaxSpareThreads 8\nMaxRequestWorkers 8\n";
my $usual = 512 * 1024;
for my $cores (0, 1) {
    subtest $cores ? 'with CoreDumpDirectory' : 'without' => sub {
        my $s = PST::Server->new("undumpable-$cores", limits => $limits, cores => $cores,
            conf => "ServerName main.example\nPoolStatControl On\nMaxMemFree 0\nThreadStackSize $usual\n");
        ok($s->start, 'a server') or return diag($s->start_text . $s->log_text);
        my $pid = $s->json->{children}[0]{pid};
        is((stat "/proc/$pid/pagemap")[4], $cores ? (getpwnam 'nobody')[2] : 0, 'its child ' . ($cores ? 'may' : 'may not') . ' read its pagemap');
        my ($c, $from_outside);
        my $agree = sub {
            my ($what) = @_;
            # a release has the mappings looked at anew
            my ($asked, $merged, $bytes, $count) = (0, 0);
            ok(wait_for(sub {
                my $json = $s->json;
                my $body = "nonce=$json->{server}{release_nonce}";
                my $r = $s->fetch('/pool-status/release', method => 'POST', body => $body, headers => [ 'Content-Length: ' . length $body ]);
                my $since = child_of($json, $pid)->{maps_time};
                wait_for(sub { $json = $s->json; $c = child_of($json, $pid); $c->{maps_time} > $since }, 5) or return 0;
                ($bytes, $count, $merged) = stacks_of($pid, $usual) or return 0;
                return $c->{stack_bytes} == $bytes;
            }, 20), "$what: stacks are those that root sees") or diag("$c->{stack_bytes}, from outside " . ($bytes // '?'));
            cmp_ok($count, '>=', mpm() eq 'prefork' ? 2 : 10, "$count of them");
            is(join('; ', law($s->json)), '', 'the law holds');
            cmp_ok($c->{unexplained_bytes}, '<', $MB, 'nearly nothing is unexplained');
            cmp_ok($c->{other_bytes}, '<', $MB, 'nearly nothing is in other mappings');
            cmp_ok($c->{rss_bytes}, '>=', $c->{pss_bytes}, 'PSS is a part of RSS');
            ok($c->{$_}, $_) for qw(pss_bytes private_dirty_bytes file_bytes data_bytes heap_in_use_bytes heap_arenas);
            return $merged;
        };
        $agree->('as it starts');
        # nodes fill gaps between mappings, right above stacks too
        is(PST::fetch('/poolprobe?pool=childsub&bytes=8000&pieces=2000&touch=1&free=keep&output=2', port => $s->port)->{status}, 200, '16 MB in nodes of two pages');
        my $merged = $agree->('with nodes in every gap');
        note("$merged stacks have nodes right above them");
        is($s->stop, 0, 'stops in order');
    };
}
done_testing;
