<resource schema="gaiadr3">
  <meta name="title">A small simulated Gaia DR3</meta>
  <meta name="description">Tables, columns and types of the archive; the rows are invented.</meta>
  <meta name="creationDate">2026-11-26T00:00:00Z</meta>
  <meta name="subject">galaxies</meta>
  <table id="gaia_source" onDisk="True" adql="True" primary="source_id">
    <column name="source_id" type="bigint" required="True" description="Identifier"/>
    <column name="ra" type="double precision" unit="deg" description="Right ascension"/>
    <column name="dec" type="double precision" unit="deg" description="Declination"/>
    <column name="phot_g_mean_mag" unit="mag" description="Mean G magnitude"/>
    <column name="has_xp_continuous" type="text" description="Whether there are BP and RP coefficients"/>
  </table>
  <table id="galaxy_candidates" onDisk="True" adql="True" primary="source_id">
    <column name="source_id" type="bigint" required="True" description="Identifier"/>
    <column name="redshift_ugc" description="Redshift of the Unresolved Galaxy Classifier"/>
    <column name="redshift_ugc_lower" description="Its lower limit"/>
    <column name="redshift_ugc_upper" description="Its upper limit"/>
    <column name="radius_sersic" unit="mas" description="Radius of the Sersic profile"/>
    <column name="classlabel_dsc_joint" type="text" description="Class of the Discrete Source Classifier"/>
    <column name="vari_best_class_name" type="text" description="Class by variability"/>
  </table>
  <table id="sdssdr13_best_neighbour" onDisk="True" adql="True">
    <column name="source_id" type="bigint" required="True" description="Identifier"/>
    <column name="original_ext_source_id" type="bigint" required="True" description="objid in SDSS DR13"/>
  </table>
  <data id="import_gaia_source">
    <sources>data/gaia_source.csv</sources>
    <csvGrammar/>
    <make table="gaia_source"><rowmaker idmaps="*"/></make>
  </data>
  <data id="import_galaxy_candidates">
    <sources>data/galaxy_candidates.csv</sources>
    <csvGrammar/>
    <make table="galaxy_candidates"><rowmaker idmaps="*"/></make>
  </data>
  <data id="import_sdssdr13_best_neighbour">
    <sources>data/sdssdr13_best_neighbour.csv</sources>
    <csvGrammar/>
    <make table="sdssdr13_best_neighbour"><rowmaker idmaps="*"/></make>
  </data>
</resource>
