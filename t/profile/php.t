# A child of mod_php that stays as large as its largest script: information, with the request that made it so and the module
# that keeps it; gone when PHP has given it back. Small scripts alone give no finding.
use strict;
use warnings;
use PST;
use PST::Server;
use Test::More;

plan skip_all => 'mod_php is for prefork' if mpm() ne 'prefork';
plan skip_all => 'the sanitizer brings a heap of its own' if stage()->{san};
my ($php) = sort { $b cmp $a } glob stage()->{libexec} . '/libphp*.so';
plan skip_all => lacks('libapache2-mod-php') || 'not here: libapache2-mod-php' unless $php;

my $limits = "StartServers 1\nMinSpareServers 1\nMaxSpareServers 1\nServerLimit 1\nMaxRequestWorkers 1\n";
my $s = PST::Server->new('php', limits => $limits);
my $docs = "$s->{dir}/docs";
mkdir $docs;
PST::Stage::write_file("$docs/small.php", '<?php $a = []; for ($i = 0; $i < 500; $i++) { $a[] = "row $i"; } echo count($a);');
PST::Stage::write_file("$docs/large.php", '<?php $a = []; for ($i = 0; $i < 460000; $i++) { $a[] = "row $i " . str_repeat("x", 60); } echo memory_get_peak_usage(true);');
$s->write_conf(limits => $limits, conf => <<"EOT");
LoadModule php_module $php
Alias /php $docs
<Directory $docs>
    Require all granted
</Directory>
<FilesMatch "\\.php\$">
    SetHandler application/x-httpd-php
</FilesMatch>
EOT
ok($s->start, 'a server with mod_php') or BAIL_OUT($s->start_text . $s->log_text);

sub finding { my ($f) = grep { $_->{id} eq 'kept-mappings' } @{ $s->json->{findings} }; return $f }
sub small { my ($n) = @_; return grep { $s->fetch('/php/small.php')->{body} eq '500' } 1 .. $n }

is(scalar small(12), 12, 'twelve small scripts');
is(finding(), undef, 'no finding');
is($s->json->{children}[0]{surge}, undef, 'nothing stays');
my $took = $s->fetch('/php/large.php?id=7')->{body};
cmp_ok($took, '>', 55e6, "a script that takes $took bytes");
my $surge = $s->json->{children}[0]{surge};
like($surge->{line} // '', qr{^GET /php/large\.php}, 'it is known at once');
cmp_ok(abs($surge->{took_bytes} - $took), '<', 0.35 * $took, "and what it took: $surge->{took_bytes}");
cmp_ok($surge->{kept_bytes}, '>', 16 * 1048576, "and what stays: $surge->{kept_bytes}");
my $f;
ok(wait_for(sub { $f = finding() }, 40), 'a finding') or diag(explain($s->json->{children}[0]{surge}, $s->json->{children}[0]{parts}));
is($f->{severity}, 'info', 'that informs');
is($f->{pid}, $s->json->{children}[0]{pid}, 'of the child');
like($f->{what}, qr{^Child \d+ keeps [\d.]+ MiB of mappings that one request made, .*: GET /php/large\.php}, 'which request made it so');
is($f->{blamed}, $php =~ s{.*/}{}r, 'and whose they are');
like($f->{advice}, qr/memory_limit.*MaxSpareServers.*MaxConnectionsPerChild.*PHP-FPM/s, 'what to do');
cmp_ok($f->{figures}{kept_bytes}, '<=', $f->{figures}{took_bytes}, 'kept is no more than it took');
cmp_ok($f->{figures}{rss_bytes}, '>', $f->{figures}{kept_bytes}, 'and part of its RSS');

is(scalar small(20), 20, 'twenty small scripts more');
is($s->json->{children}[0]{surge}{kept_bytes}, 0, 'PHP has given it back');
is(finding(), undef, 'no finding any more');
is(scalar(grep { $_->{id} =~ /grow/ } @{ $s->json->{findings} }), 0, 'nor that anything grows');
# what scripts say of themselves, by URL
my ($row) = grep { $_->{path} eq '/php/large.php' } @{ $s->json->{urls}{by_url} };
is($row->{script_requests}, 1, 'by URL: the large script told what it used');
is($row->{script_largest_bytes}, $row->{script_mean_bytes}, 'once');
cmp_ok(abs($row->{script_largest_bytes} - $took), '<', 0.1 * $took, "as much as it says: $row->{script_largest_bytes} of $took");
($row) = grep { $_->{path} eq '/php/small.php' } @{ $s->json->{urls}{by_url} };
is($row->{script_requests}, 32, 'and each small one');
cmp_ok($row->{script_mean_bytes}, '<', $took / 4, 'far less in the mean');
is($row->{handler}, 'application/x-httpd-php', 'by its handler');
is($s->stop, 0, 'stops');
done_testing;
